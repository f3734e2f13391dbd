"""Cloud Run jobs of the local Google: jobs, executions, tasks and long-running operations, by the v2 API's rules."""

from __future__ import annotations

import fnmatch
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tests.clouds.containers import Containers
from tests.clouds.google_discovery import conform
from tests.clouds.google_errors import ApiError, not_found
from tests.clouds.google_execution import Execution, render, render_task, seconds_of, time_of
from tests.clouds.google_rules import check_job, check_variables
from tests.clouds.google_secrets import Secrets

TYPE = "type.googleapis.com/google.cloud.run.v2."
RETAINED = 1000
"""Completed executions of a job that are kept (cloud.google.com/run/quotas)."""
Params = dict[str, str]


@dataclass
class Job:
    """What was asked for, and what became of it."""

    name: str
    body: dict[str, Any]
    state: str = "CONDITION_RECONCILING"
    reason: str | None = None
    message: str | None = None
    generation: int = 1
    executions: int = 0
    latest: str | None = None
    uid: str = field(default_factory=lambda: str(uuid.uuid4()))
    created_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    updated_at: datetime = field(default_factory=lambda: datetime.now(UTC))


class Run:
    """One project's Cloud Run in all its regions."""

    def __init__(self, containers: Containers, secrets: Secrets, on_end: Callable[[Execution], None]) -> None:
        self.containers, self.secrets, self.told = containers, secrets, on_end
        self.jobs: dict[str, Job] = {}
        self.executions: dict[str, Execution] = {}
        self.operations: dict[str, Callable[[], dict[str, Any]]] = {}
        self.lock = threading.RLock()
        self.missing_images = ["*missing*"]
        """Patterns of images that are not there."""
        self.settles_after = 0.02
        """Seconds until a job is ready, or known not to be."""
        self.starts_after = 0.02
        """Seconds from an execution's creation to its container's start."""
        self.stop_grace = 10.0
        """Seconds between SIGTERM and SIGKILL (cloud.google.com/run/docs/container-contract)."""
        self.no_room = False
        """Whether executions find no capacity."""
        self.page_size = 100
        self.is_closed = False

    # -- jobs ----------------------------------------------------------------------------------------------------------

    def jobs_create(self, params: Params, query: Params, body: dict[str, Any]) -> dict[str, Any]:
        job_id = query.get("jobId", "")
        name = f"{params['parent']}/jobs/{job_id}"
        check_job(job_id, body)
        if name in self.jobs:
            raise ApiError(409, "ALREADY_EXISTS", f"Resource '{job_id}' already exists.")
        job = Job(name, body)
        if query.get("validateOnly") == "true":
            return self._operation(name, "Job", lambda: self._render(job), lambda: True)
        self.jobs[name] = job
        self._later(self.settles_after, self._settle, job, job.generation)
        return self._job_operation(job)

    def jobs_patch(self, params: Params, query: Params, body: dict[str, Any]) -> dict[str, Any]:
        job = self._job(params["name"])
        check_job(params["name"].rpartition("/")[2], body)
        job.body, job.generation, job.updated_at = body, job.generation + 1, datetime.now(UTC)
        job.state, job.reason, job.message = "CONDITION_RECONCILING", None, None
        self._later(self.settles_after, self._settle, job, job.generation)
        return self._job_operation(job)

    def jobs_get(self, params: Params, query: Params, body: Any) -> dict[str, Any]:
        return self._render(self._job(params["name"]))

    def jobs_list(self, params: Params, query: Params, body: Any) -> dict[str, Any]:
        jobs = [job for name, job in self.jobs.items() if name.startswith(f"{params['parent']}/jobs/")]
        return self._page("jobs", [self._render(job) for job in jobs], query)

    def jobs_delete(self, params: Params, query: Params, body: Any) -> dict[str, Any]:
        job = self._job(params["name"])
        if query.get("etag") not in (None, "", self._etag(job)):
            raise ApiError(409, "ABORTED", "The resource was changed meanwhile: its etag does not match.")
        del self.jobs[job.name]
        for each in self._executions_of(job.name):
            self._remove(each)
        return self._operation(job.name, "Job", lambda: self._render(job), lambda: True)

    def jobs_run(self, params: Params, query: Params, body: dict[str, Any]) -> dict[str, Any]:
        job = self._job(params["name"])
        if job.state != "CONDITION_SUCCEEDED":
            raise ApiError(400, "FAILED_PRECONDITION", f"Job '{job.name.rpartition('/')[2]}' is not ready to be run.")
        execution = self._execute(job, uuid.uuid4().hex[:5], body.get("overrides", {}))
        return self._execution_operation(execution)

    # -- executions and tasks ------------------------------------------------------------------------------------------

    def executions_get(self, params: Params, query: Params, body: Any) -> dict[str, Any]:
        return render(self._execution(params["name"]))

    def executions_list(self, params: Params, query: Params, body: Any) -> dict[str, Any]:
        self._job(params["parent"])
        newest_first = sorted(self._executions_of(params["parent"]), key=lambda each: each.created_at, reverse=True)
        return self._page("executions", [render(each) for each in newest_first], query)

    def executions_cancel(self, params: Params, query: Params, body: Any) -> dict[str, Any]:
        execution = self._execution(params["name"])
        if execution.ended_at:
            message = f"Execution '{execution.short_name}' cannot be cancelled: it is already completed."
            raise ApiError(400, "FAILED_PRECONDITION", message)
        execution.cancel(self.stop_grace, self._ended)
        return self._execution_operation(execution)

    def executions_delete(self, params: Params, query: Params, body: Any) -> dict[str, Any]:
        execution = self._execution(params["name"])
        self._remove(execution)
        return self._operation(execution.name, "Execution", lambda: render(execution), lambda: True)

    def tasks_list(self, params: Params, query: Params, body: Any) -> dict[str, Any]:
        execution = self._execution(params["parent"])
        return self._page("tasks", [render_task(execution, task) for task in execution.tasks], query)

    def operations_get(self, params: Params, query: Params, body: Any) -> dict[str, Any]:
        if params["name"] not in self.operations:
            raise not_found("OPERATION", params["name"])
        return self.operations[params["name"]]()

    # -- inside --------------------------------------------------------------------------------------------------------

    def _job(self, name: str) -> Job:
        if name not in self.jobs:
            raise not_found("JOB", name)
        return self.jobs[name]

    def _execution(self, name: str) -> Execution:
        if name not in self.executions:
            raise not_found("EXECUTION", name)
        return self.executions[name]

    def _executions_of(self, job: str) -> list[Execution]:
        return [each for each in self.executions.values() if each.job == job]

    def _page(self, what: str, items: list[dict[str, Any]], query: Params) -> dict[str, Any]:
        size = min(int(query.get("pageSize") or 0) or self.page_size, self.page_size)
        start = int(query.get("pageToken") or 0)
        more = start + size < len(items)
        return {what: items[start : start + size]} | ({"nextPageToken": str(start + size)} if more else {})

    def _later(self, seconds: float, work: Callable[..., None], *arguments: Any) -> None:
        def locked() -> None:
            with self.lock:
                if not self.is_closed:
                    work(*arguments)

        timer = threading.Timer(seconds, locked)
        timer.daemon = True
        timer.start()

    def _settle(self, job: Job, generation: int) -> None:
        """Look for what it needs; a job with a start token begins its execution."""
        if job.generation != generation or self.jobs.get(job.name) is not job:
            return
        template = job.body["template"]["template"]
        image = template["containers"][0]["image"]
        if any(fnmatch.fnmatchcase(image, pattern) for pattern in self.missing_images):
            job.state, job.reason, job.message = "CONDITION_FAILED", "CONTAINER_MISSING", f"Image '{image}' not found."
            return
        missing = self._missing_secret(job)
        if missing:
            job.state, job.reason, job.message = "CONDITION_FAILED", "SECRETS_ACCESS_CHECK_FAILED", missing
            return
        token = job.body.get("startExecutionToken") or job.body.get("runExecutionToken")
        if token and not job.executions:
            self._execute(job, token, {})
        job.state = "CONDITION_SUCCEEDED"

    def _missing_secret(self, job: Job) -> str | None:
        template = job.body["template"]["template"]
        for each in template["containers"][0].get("env", []):
            reference = each.get("valueSource", {}).get("secretKeyRef")
            if reference:
                try:
                    self._resolve(job.name, template, reference)
                except LookupError as error:
                    return str(error.args[0])
        return None

    def _resolve(self, job: str, template: dict[str, Any], reference: Any) -> str:
        return self.secrets.resolve(job.split("/")[1], template.get("serviceAccount"), reference)

    def _execute(self, job: Job, token: str, overrides: dict[str, Any]) -> Execution:
        outer = job.body["template"]
        template = _overridden(outer["template"], overrides)
        check_variables(template["containers"][0].get("env", []))
        name = f"{job.name}/executions/{job.name.rpartition('/')[2]}-{token}"
        count = overrides.get("taskCount") or outer.get("taskCount") or 1
        labels = {**job.body.get("labels", {}), **outer.get("labels", {})}
        execution = Execution(name, template, labels, count, no_room=self.no_room, lock=self.lock)
        self.executions[name] = execution
        job.executions, job.latest = job.executions + 1, name
        self._later(
            self.starts_after,
            execution.start,
            self.containers,
            lambda reference: self._resolve(job.name, template, reference),
            self._ended,
        )
        return execution

    def _ended(self, execution: Execution) -> None:
        self.told(execution)
        with self.lock:
            done = sorted(
                (each for each in self._executions_of(execution.job) if each.ended_at), key=lambda each: each.created_at
            )
            for old in done[: max(0, len(done) - RETAINED)]:
                del self.executions[old.name]

    def _remove(self, execution: Execution) -> None:
        execution.cancel(0, lambda gone: None)
        self.executions.pop(execution.name, None)

    def _operation(
        self, near: str, kind: str, shown: Callable[[], dict[str, Any]], done: Callable[[], bool]
    ) -> dict[str, Any]:
        name = f"{'/'.join(near.split('/')[:4])}/operations/{uuid.uuid4()}"

        def told() -> dict[str, Any]:
            what = {"@type": TYPE + kind, **conform("run.v2", f"GoogleCloudRunV2{kind}", shown(), kind)}
            return {"name": name, "metadata": what, "done": done()} | ({"response": what} if done() else {})

        self.operations[name] = told
        return told()

    def _job_operation(self, job: Job) -> dict[str, Any]:
        return self._operation(job.name, "Job", lambda: self._render(job), lambda: job.state != "CONDITION_RECONCILING")

    def _execution_operation(self, execution: Execution) -> dict[str, Any]:
        return self._operation(execution.name, "Execution", lambda: render(execution), lambda: bool(execution.ended_at))

    def _etag(self, job: Job) -> str:
        return f'"{job.uid[:8]}-{job.generation}-{job.executions}"'

    def _render(self, job: Job) -> dict[str, Any]:
        ready = {"type": "Ready", "state": job.state}
        ready |= {"reason": job.reason} if job.reason else {}
        ready |= {"message": job.message} if job.message else {}
        latest = self.executions.get(job.latest or "")
        return {
            **job.body,
            "name": job.name,
            "uid": job.uid,
            "generation": str(job.generation),
            "createTime": time_of(job.created_at),
            "updateTime": time_of(job.updated_at),
            "etag": self._etag(job),
            "executionCount": job.executions,
            "reconciling": job.state == "CONDITION_RECONCILING",
            "terminalCondition": ready,
        } | ({"latestCreatedExecution": _reference(latest)} if latest else {})


def _reference(execution: Execution) -> dict[str, Any]:
    shown = {"name": execution.short_name, "createTime": time_of(execution.created_at)}
    if not execution.ended_at:
        return shown | {"completionStatus": "EXECUTION_RUNNING" if execution.started_at else "EXECUTION_PENDING"}
    status = "SUCCEEDED" if execution.succeeded else "CANCELLED" if execution.cancelling else "FAILED"
    return shown | {"completionStatus": f"EXECUTION_{status}", "completionTime": time_of(execution.ended_at)}


def _overridden(template: dict[str, Any], overrides: dict[str, Any]) -> dict[str, Any]:
    """The task template with an override's arguments, variables (merged by name) and timeout."""
    container = dict(template["containers"][0])
    for each in overrides.get("containerOverrides", []):
        if each.get("args") or each.get("clearArgs"):
            container["args"] = each.get("args", [])
        names = {variable["name"] for variable in each.get("env", [])}
        kept = [variable for variable in container.get("env", []) if variable["name"] not in names]
        container["env"] = [*kept, *each.get("env", [])]
    changed = {**template, "containers": [container]}
    if overrides.get("timeout"):
        assert seconds_of(overrides["timeout"]) > 0
        changed["timeout"] = overrides["timeout"]
    return changed
