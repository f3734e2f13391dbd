"""A cloud in memory, for tests of the engine: it keeps the provider's contract, and fails where it is told to.

It is the witness: what it says of containers is independent of what the store believes.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from skylift.provider import Fault, Heard, Launch, Observation, Phase, Quota, Watched


class Crash(BaseException):
    """The process dies here: nothing of Skylift may catch it."""


@dataclass
class Container:
    launch: Launch
    phase: Phase = "running"
    exit_code: int | None = None
    fault: Fault | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None

    @property
    def env(self) -> Mapping[str, str]:
        env: Mapping[str, str] = self.launch.configuration["env"]
        return env

    def end(self, exit_code: int | None, fault: Fault | None = None) -> None:
        self.phase, self.exit_code, self.fault = "ended", exit_code, fault


TEMPLATE: dict[str, Any] = {
    "variables": {
        "type": "object",
        "properties": {
            "command": {"type": "string"},
            "env": {"type": "object", "additionalProperties": {"type": "string"}},
            "runner": {"type": "boolean", "default": False},
            "cpu": {"type": "integer", "minimum": 1, "maximum": 8},
        },
    },
    "job_configuration": {
        "command": "{{ command }}",
        "env": "{{ env }}",
        "runner": "{{ runner }}",
        "cpu": "{{ cpu }}",
    },
}


@dataclass
class Cloud:
    """A provider whose containers end when the test says so."""

    type: str = "cloud:push"
    display_name: str = "Cloud"
    description: str = "Containers in memory"
    call_timeout: float = 5.0
    look_every: float = 1.0
    python: str = "python3"
    stops_softly: bool = True
    remembers_stops: bool = True
    allowed: Quota | None = None
    containers: dict[UUID, Container] = field(default_factory=dict)
    starts: Counter[UUID] = field(default_factory=Counter)
    stopped_before_start: set[UUID] = field(default_factory=set)
    fail_before: list[BaseException] = field(default_factory=list)
    """Raised, one a call, before anything is started."""
    fail_after: list[BaseException] = field(default_factory=list)
    """Raised, one a call, after the container was started."""
    stubborn: bool = False
    """Whether a stopped container goes on until the test ends it."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def base_job_template(self) -> dict[str, Any]:
        return TEMPLATE

    def quota(self, configuration: Mapping[str, Any]) -> Quota | None:
        return self.allowed

    def launch(self, launch: Launch) -> str:
        with self.lock:
            if self.fail_before:
                raise self.fail_before.pop()
            if launch.attempt_id not in self.containers and launch.attempt_id not in self.stopped_before_start:
                self.containers[launch.attempt_id] = Container(launch)
                self.starts[launch.attempt_id] += 1
            if self.fail_after:
                raise self.fail_after.pop()
        return f"container/{launch.attempt_id}"

    def status(self, watched: Sequence[Watched]) -> Mapping[UUID, Observation]:
        return {each.attempt_id: self._observe(each.attempt_id) for each in watched}

    def _observe(self, attempt_id: UUID) -> Observation:
        container = self.containers.get(attempt_id)
        if not container:
            return Observation("gone")
        said = ("The cloud's own words", "What to do") if container.fault else (None, None)
        return Observation(
            container.phase,
            f"container/{attempt_id}",
            container.exit_code,
            reason=said[0],
            started_at=container.started_at,
            ended_at=container.ended_at,
            fault=container.fault,
            remedy=said[1],
        )

    def stop(self, watched: Watched, grace: float) -> None:
        with self.lock:
            container = self.containers.get(watched.attempt_id)
            if not container and self.remembers_stops:
                self.stopped_before_start.add(watched.attempt_id)
            elif not container:
                return
            elif container.phase in ("starting", "running") and not self.stubborn:
                container.end(143)

    def logs(self, watched: Watched, last: int) -> list[str]:
        return []

    def cleanup(self, watched: Watched) -> None:
        assert self.containers[watched.attempt_id].phase == "ended" if watched.attempt_id in self.containers else True
        self.containers.pop(watched.attempt_id, None)

    def read_event(self, event: Mapping[str, Any]) -> Sequence[Heard]:
        return [Heard(UUID(event["attempt"]), Observation("ended"))] if "attempt" in event else []

    def alive(self) -> dict[UUID, Container]:
        """What runs, by attempt."""
        return {key: each for key, each in self.containers.items() if each.phase in ("starting", "running")}
