"""The life of one execution of the local Cloud Run: tasks that are real processes, retried, timed out, cancelled or
killed for their memory, and told of in the words and fields of the real API.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tests.clouds.containers import Container, Containers

DEFAULT_MEMORY = "512Mi"
DEFAULT_TIMEOUT = "600s"
DEFAULT_RETRIES = 3
UNITS = {"": 1, "k": 1000, "M": 1000**2, "G": 1000**3, "Ki": 1024, "Mi": 1024**2, "Gi": 1024**3}


@dataclass
class Task:
    """One task; `container` is its current attempt."""

    index: int
    attempt: int = 0
    container: Container | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    timed_out: bool = False
    failed_start: str | None = None
    """Why no container could be started."""

    @property
    def succeeded(self) -> bool:
        return bool(self.ended_at and self.container and self.container.exit_code == 0 and not self.timed_out)


@dataclass
class Execution:
    """What the cloud knows of it."""

    name: str
    template: dict[str, Any]
    """A TaskTemplate with the overrides in it."""
    labels: dict[str, str]
    task_count: int
    created_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    uid: str = field(default_factory=lambda: str(uuid.uuid4()))
    started_at: datetime | None = None
    ended_at: datetime | None = None
    cancelling: bool = False
    no_room: bool = False
    tasks: list[Task] = field(default_factory=list)
    lock: Any = field(default_factory=threading.RLock)
    """Its cloud's: what happens to executions happens one after the other."""

    @property
    def short_name(self) -> str:
        return self.name.rpartition("/")[2]

    @property
    def job(self) -> str:
        return self.name.split("/executions/")[0]

    @property
    def succeeded(self) -> bool:
        return bool(self.ended_at) and not self.cancelling and all(task.succeeded for task in self.tasks)

    @property
    def env(self) -> dict[str, str]:
        """Its plain variables."""
        return {each["name"]: each.get("value", "") for each in self.template["containers"][0].get("env", [])}

    def start(
        self,
        containers: Containers,
        resolve: Callable[[Mapping[str, Any]], str],
        on_end: Callable[[Execution], None],
    ) -> None:
        """`resolve`: the value of a secretKeyRef; raises `LookupError` with Google's words."""
        with self.lock:
            if self.ended_at:
                return
            self.tasks = [Task(index) for index in range(self.task_count)]
            if self.no_room:
                self._end(on_end)
                return
            self.started_at = datetime.now(UTC)
            for task in self.tasks:
                self._start_task(task, containers, resolve, on_end)

    def cancel(self, grace: float, on_end: Callable[[Execution], None]) -> None:
        """SIGTERM to its containers, SIGKILL after `grace` seconds."""
        with self.lock:
            if self.ended_at:
                return
            self.cancelling = True
            alive = [each.container for each in self.tasks if each.container and each.container.is_alive]
            for container in alive:
                container.stop(grace)
            if not alive:
                self._end(on_end)

    def _start_task(
        self,
        task: Task,
        containers: Containers,
        resolve: Callable[[Mapping[str, Any]], str],
        on_end: Callable[[Execution], None],
    ) -> None:
        spec = self.template["containers"][0]
        try:
            env = {each["name"]: _value(each, resolve) for each in spec.get("env", [])}
        except LookupError as error:
            task.failed_start, task.ended_at = str(error.args[0]), datetime.now(UTC)
            self._settle(on_end)
            return
        env |= {
            "CLOUD_RUN_JOB": self.job.rpartition("/")[2],
            "CLOUD_RUN_EXECUTION": self.short_name,
            "CLOUD_RUN_TASK_INDEX": str(task.index),
            "CLOUD_RUN_TASK_ATTEMPT": str(task.attempt),
            "CLOUD_RUN_TASK_COUNT": str(self.task_count),
        }
        limits = spec.get("resources", {}).get("limits", {})

        def ended(container: Container) -> None:
            with self.lock:
                may_retry = container.exit_code != 0 and not self.cancelling
                if may_retry and task.attempt < self.template.get("maxRetries", DEFAULT_RETRIES):
                    task.attempt, task.timed_out = task.attempt + 1, False
                    self._start_task(task, containers, resolve, on_end)
                    return
                task.ended_at = datetime.now(UTC)
                self._settle(on_end)

        task.started_at = task.started_at or datetime.now(UTC)
        task.container = containers.start(
            f"{self.short_name}-task{task.index}-{task.attempt}",
            [*spec.get("command", ["true"]), *spec.get("args", [])],
            env,
            memory=bytes_of(limits.get("memory", DEFAULT_MEMORY)),
            on_end=ended,
        )
        threading.Thread(target=self._watch_time, args=(task, task.container), daemon=True).start()

    def _watch_time(self, task: Task, container: Container) -> None:
        if not container.over.wait(seconds_of(self.template.get("timeout", DEFAULT_TIMEOUT))):
            task.timed_out = True
            container.stop(0)

    def _settle(self, on_end: Callable[[Execution], None]) -> None:
        if all(task.ended_at for task in self.tasks) and len(self.tasks) == self.task_count:
            self._end(on_end)

    def _end(self, on_end: Callable[[Execution], None]) -> None:
        self.ended_at = datetime.now(UTC)
        on_end(self)

    @property
    def failure(self) -> str:
        """The words of the real one's Completed condition."""
        if self.cancelling:
            return f"Execution {self.short_name} was cancelled."
        if self.no_room:
            return "Resources are not available: no capacity is left in this region for the requested configuration."
        done = sum(task.succeeded for task in self.tasks)
        return f"Execution {self.short_name} has failed to complete, {done}/{self.task_count} tasks were a success."


def _value(variable: Mapping[str, Any], resolve: Callable[[Mapping[str, Any]], str]) -> str:
    reference = variable.get("valueSource", {}).get("secretKeyRef")
    return resolve(reference) if reference else variable.get("value", "")


def bytes_of(memory: str) -> int:
    digits = memory.rstrip("kKMGi")
    return int(digits) * UNITS[memory[len(digits) :]]


def seconds_of(duration: str) -> float:
    return float(duration.rstrip("s"))


def time_of(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def render(execution: Execution) -> dict[str, Any]:
    """A GoogleCloudRunV2Execution."""
    tasks, ended = execution.tasks, execution.ended_at
    done = sum(task.succeeded for task in tasks)
    cancelled = execution.task_count - done if ended and execution.cancelling else 0
    shown: dict[str, Any] = {
        "name": execution.name,
        "uid": execution.uid,
        "generation": "1",
        "labels": execution.labels,
        "createTime": time_of(execution.created_at),
        "job": execution.job.rpartition("/")[2],
        "parallelism": execution.task_count,
        "taskCount": execution.task_count,
        "template": execution.template,
        "succeededCount": done,
        "cancelledCount": cancelled,
        "failedCount": execution.task_count - done - cancelled if ended else 0,
        "runningCount": sum(bool(task.container and not task.ended_at) for task in tasks),
        "reconciling": not ended,
        "conditions": [_completed(execution)],
    }
    if execution.started_at:
        shown["startTime"] = time_of(execution.started_at)
        shown["conditions"].append({"type": "Started", "state": "CONDITION_SUCCEEDED"})
    if execution.no_room and ended:
        resources = {"type": "ResourcesAvailable", "state": "CONDITION_FAILED", "message": execution.failure}
        shown["conditions"].append(resources)
    if ended:
        shown["completionTime"] = time_of(ended)
    return shown


def _completed(execution: Execution) -> dict[str, Any]:
    if not execution.ended_at:
        so = {"type": "Completed", "state": "CONDITION_RECONCILING"}
        return so | ({"executionReason": "CANCELLING"} if execution.cancelling else {})
    if execution.succeeded:
        return {"type": "Completed", "state": "CONDITION_SUCCEEDED"}
    so = {"type": "Completed", "state": "CONDITION_FAILED", "message": execution.failure}
    if execution.cancelling:
        return so | {"executionReason": "CANCELLED"}
    exited = any(each.container and each.container.exit_code for each in execution.tasks)
    return so | ({"executionReason": "NON_ZERO_EXIT_CODE"} if exited else {})


def render_task(execution: Execution, task: Task) -> dict[str, Any]:
    """A GoogleCloudRunV2Task."""
    shown: dict[str, Any] = {
        "name": f"{execution.name}/tasks/{execution.short_name}-task{task.index}",
        "job": execution.job.rpartition("/")[2],
        "execution": execution.short_name,
        "index": task.index,
        "retried": task.attempt,
        "maxRetries": execution.template.get("maxRetries", DEFAULT_RETRIES),
    }
    times = {"startTime": task.started_at, "completionTime": task.ended_at}
    shown |= {name: time_of(at) for name, at in times.items() if at}
    return shown | ({"lastAttemptResult": _result(execution, task)} if task.ended_at else {})


def _result(execution: Execution, task: Task) -> dict[str, Any]:
    container = task.container
    if task.failed_start or not container:
        return {"status": {"code": 9, "message": task.failed_start or "The container could not be started."}}
    code = container.exit_code or 0
    if container.out_of_memory:
        limit = execution.template["containers"][0].get("resources", {}).get("limits", {}).get("memory", DEFAULT_MEMORY)
        return {"status": {"code": 8, "message": f"Memory limit exceeded: {limit}"}, "termSignal": 9}
    if task.timed_out:
        return {"status": {"code": 4, "message": "The configured timeout was reached."}, "termSignal": 9}
    if code == 0:
        return {"status": {}, "exitCode": 0}
    if code > 128:
        return {"status": {"code": 2, "message": "The container was terminated by a signal."}, "termSignal": code - 128}
    return {"status": {"code": 2, "message": f"The container exited with an error: exit({code})."}, "exitCode": code}
