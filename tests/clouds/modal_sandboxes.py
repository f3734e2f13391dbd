"""What the local Modal knows of its sandboxes: how they begin, run as real processes, and end.

Semantics of the real ones, as far as the SDK and its documentation tell them: a name is taken only while its sandbox
runs; records stay when it ended; TERMINATED, TIMEOUT and memory kills are results of their own, not exit codes.
"""

from __future__ import annotations

import itertools
import re
import signal
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from grpclib import GRPCError, Status
from modal_proto import api_pb2

from tests.clouds.containers import Container, Containers

Result = api_pb2.GenericResult
MEBI = 1024 * 1024
TAG = re.compile(r"[a-zA-Z0-9._-]{1,63}")
NAME = re.compile(r"[a-zA-Z0-9._-]{1,64}")
LONGEST = 24 * 3600
"""Seconds that a sandbox may live."""


@dataclass
class Sandbox:
    """One sandbox, running or over."""

    id: str
    task_id: str
    app_id: str
    definition: Any
    tags: dict[str, str]
    created_at: float
    container: Container | None = None
    result: Any = None
    finished_at: float = 0.0
    killed_as: Any = None
    """The status that it ends with because somebody or something killed it."""
    timer: threading.Timer | None = None
    over: threading.Event = field(default_factory=threading.Event)

    @property
    def started_at(self) -> float:
        began = self.container.started_at if self.container else None
        return began.timestamp() if began else 0.0

    def end(self, result: Any) -> None:
        if not self.result:
            self.finished_at = time.time()
            self.result = result
            if self.timer:
                self.timer.cancel()
            self.over.set()

    def kill(self, status: Any) -> None:
        """Whatever it is doing; it ends with this status once nothing of it runs."""
        if self.result:
            return
        self.killed_as = self.killed_as or status
        if self.container:
            threading.Thread(target=_kill, args=(self.container,), daemon=True).start()
        else:
            self.end(Result(status=status))

    def as_info(self) -> Any:
        task = api_pb2.TaskInfo(
            id=self.task_id if self.container else "",
            started_at=self.started_at,
            finished_at=self.finished_at,
            result=self.result,
        )
        return api_pb2.SandboxInfo(
            id=self.id,
            created_at=self.created_at,
            app_id=self.app_id,
            tags=[api_pb2.SandboxTag(tag_name=name, tag_value=value) for name, value in self.tags.items()],
            name=self.definition.name,
            image_id=self.definition.image_id,
            timeout_secs=self.definition.timeout_secs,
            task_info=task,
            metadata=self.metadata,
        )

    @property
    def metadata(self) -> Any:
        return api_pb2.SandboxHandleMetadata(app_id=self.app_id, result=self.result)


def _kill(container: Container) -> None:
    while container.is_alive:  # it may not even have begun yet
        container.signal(signal.SIGKILL)
        container.over.wait(0.02)


class Sandboxes:
    """All that there ever were."""

    def __init__(self, containers: Containers) -> None:
        self.containers = containers
        self.all: dict[str, Sandbox] = {}
        self.doom: list[Any] = []
        """Results that the next sandboxes are to have without ever starting."""
        self.wait_for_room = False
        """Whether sandboxes are accepted and then wait for a machine that does not come."""
        self._ids = itertools.count(1)
        self._lock = threading.Lock()

    def create(self, request: Any, env: Mapping[str, str], *, v2: bool) -> Sandbox:
        definition = request.definition
        self._check(definition, request.tags)
        with self._lock:
            if definition.name and self.running(request.app_id, definition.name):
                raise GRPCError(Status.ALREADY_EXISTS, f"Sandbox with name '{definition.name}' already exists.")
            number = next(self._ids)
            width = 26 if v2 else 22  # the SDK tells the two kinds apart by this
            made = Sandbox(
                id=f"sb-{number:0{width}d}",
                task_id=f"ta-{number:0{width}d}",
                app_id=request.app_id,
                definition=definition,
                tags={tag.tag_name: tag.tag_value for tag in request.tags},
                created_at=max(time.time(), *(each.created_at + 1e-6 for each in self.all.values()), 0),
            )
            self.all[made.id] = made
        if self.doom:
            made.end(self.doom.pop(0))
        elif not self.wait_for_room:
            self._start(made, env)
        return made

    def get(self, sandbox_id: str) -> Sandbox:
        try:
            return self.all[sandbox_id]
        except KeyError:
            raise GRPCError(Status.NOT_FOUND, f"Sandbox with ID '{sandbox_id}' not found.") from None

    def running(self, app_id: str, name: str) -> Sandbox | None:
        named = [each for each in self.all.values() if each.app_id == app_id and each.definition.name == name]
        return next((each for each in named if not each.result), None)

    def by_name(self, app_id: str, name: str, *, ended: bool) -> Sandbox:
        found = self.running(app_id, name)
        if not found and ended:
            over = [each for each in self.all.values() if each.app_id == app_id and each.definition.name == name]
            found = max(over, key=lambda each: each.created_at, default=None)
        if not found:
            raise GRPCError(Status.NOT_FOUND, f"Sandbox with name '{name}' not found.")
        return found

    def page(self, request: Any, size: int = 50) -> list[Sandbox]:
        """Newest first."""
        wanted = {(tag.tag_name, tag.tag_value) for tag in request.tags}
        found = [
            each
            for each in list(self.all.values())
            if request.app_id in ("", each.app_id)
            and (request.include_finished or not each.result)
            and wanted <= each.tags.items()
            and (not request.before_timestamp or each.created_at < request.before_timestamp)
        ]
        return sorted(found, key=lambda each: -each.created_at)[:size]

    def close(self) -> None:
        """End them all, also those that have yet to begin."""
        for each in self.all.values():
            each.kill(Result.GENERIC_STATUS_TERMINATED)
        for each in self.all.values():
            each.over.wait(5)

    def _start(self, made: Sandbox, env: Mapping[str, str]) -> None:
        definition = made.definition
        command = list(definition.entrypoint_args) or ["sleep", "infinity"]
        if definition.workdir:
            command = ["env", "-C", definition.workdir, *command]
        limit = definition.resources.memory_mb_max
        made.container = self.containers.start(
            made.id,
            command,
            env,
            memory=limit * MEBI if limit else None,
            on_end=lambda container: made.end(_result(made, container)),
        )
        timer = threading.Timer(definition.timeout_secs, lambda: made.kill(Result.GENERIC_STATUS_TIMEOUT))
        timer.daemon = True
        timer.start()
        made.timer = timer

    def _check(self, definition: Any, tags: Any) -> None:
        if definition.name and not NAME.fullmatch(definition.name):
            raise GRPCError(Status.INVALID_ARGUMENT, "Invalid sandbox name")
        if not 0 < definition.timeout_secs <= LONGEST:
            raise GRPCError(Status.INVALID_ARGUMENT, "Sandbox timeout must be between 1 second and 24 hours")
        for tag in tags:
            if not TAG.fullmatch(tag.tag_name) or not TAG.fullmatch(tag.tag_value):
                raise GRPCError(Status.INVALID_ARGUMENT, "Invalid sandbox tag")


def _result(made: Sandbox, container: Container) -> Any:
    code = container.exit_code or 0
    if made.killed_as:
        return Result(status=made.killed_as)
    if container.out_of_memory:
        return Result(status=Result.GENERIC_STATUS_KERNEL_OOM_KILL, exitcode=code)
    if code:
        return Result(status=Result.GENERIC_STATUS_FAILURE, exitcode=code)
    return Result(status=Result.GENERIC_STATUS_SUCCESS)
