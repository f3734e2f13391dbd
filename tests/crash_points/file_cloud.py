"""A cloud in a folder: it outlives the processes that use it, keeps the provider's contract, and is the witness of what
really ran."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

from skylift.confidential import NONCE
from skylift.provider import Launch, Observation, Phase, Quota, Rejected, Throttled, Watched

Behaviour = Literal["quick", "endless", "throttled", "rejected", "lost", "no room"]
"""quick: ends at once. endless: until it is stopped. throttled: refused once. rejected: refused for good. lost: its
first container ends before a word. no room: its first container is accepted, and never begins."""
TEMPLATE: dict[str, Any] = {
    "variables": {
        "type": "object",
        "properties": {
            "command": {"type": "string"},
            "env": {"type": "object", "additionalProperties": {"type": "string"}},
            "runner": {"type": "boolean", "default": False},
            "behaves": {"type": "string"},
        },
    },
    "job_configuration": {
        "command": "{{ command }}",
        "env": "{{ env }}",
        "runner": "{{ runner }}",
        "behaves": "{{ behaves }}",
    },
}


@dataclass(frozen=True)
class Container:
    attempt: str
    run: str
    behaves: Behaviour
    nonce: str | None
    phase: Phase = "running"
    exit_code: int | None = None
    never_began: bool = False


class FileCloud:
    """`doubles`: a defect to plant: a launch that comes again starts another container."""

    type = "cloud:push"
    display_name = "Cloud"
    description = "Containers in a folder"
    call_timeout = 5.0
    look_every = 1.0
    python = "python3"
    stops_softly = False
    remembers_stops = True

    def __init__(self, folder: Path, *, doubles: bool = False) -> None:
        """In a subfolder of its own."""
        self.folder, self.doubles = folder / "cloud", doubles
        for name in ("containers", "marks"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)

    # -- the port

    def base_job_template(self) -> dict[str, Any]:
        return TEMPLATE

    def quota(self, configuration: Mapping[str, Any]) -> Quota | None:
        return None

    def launch(self, launch: Launch) -> str:
        attempt, run = str(launch.attempt_id), str(launch.flow_run_id)
        behaves = launch.configuration["behaves"]
        if behaves == "rejected":
            raise Rejected("The cloud does not want it", remedy="Ask for something else")
        if behaves == "throttled" and self._first("throttled", run):
            raise Throttled(retry_after=1)
        if (self._known(attempt) and not self.doubles) or self._has("stopped", attempt):
            return f"container/{attempt}"
        made = Container(attempt, run, behaves, launch.configuration["env"].get(NONCE))
        if behaves in ("lost", "no room") and self._first(behaves, run):
            made = replace(made, phase="ended", never_began=behaves == "no room")
        elif not made.nonce:
            self.run_user_code(made)
            made = replace(made, phase="ended", exit_code=0) if behaves != "endless" else made
        self._write(made)
        return f"container/{attempt}"

    def status(self, watched: Sequence[Watched]) -> Mapping[UUID, Observation]:
        return {each.attempt_id: self._observe(str(each.attempt_id)) for each in watched}

    def stop(self, watched: Watched, grace: float) -> None:
        attempt = str(watched.attempt_id)
        self._first("stopped", attempt)
        known = self._known(attempt)
        if known and known.phase == "running":
            self.end(known, 143)

    def logs(self, watched: Watched, last: int) -> list[str]:
        return []

    def cleanup(self, watched: Watched) -> None:
        for path in (f"containers/{watched.attempt_id}", f"marks/stopped-{watched.attempt_id}"):
            (self.folder / path).unlink(missing_ok=True)

    def list_attempts(self, installation_id: UUID, configuration: Mapping[str, Any]) -> Sequence[Watched]:
        return [Watched(UUID(each.attempt), f"container/{each.attempt}") for each in self.containers()]

    # -- the witness

    def variables(self, behaves: Behaviour) -> dict[str, Any]:
        return {"command": "true", "behaves": behaves}

    def runners(self) -> list[Container]:
        return [each for each in self.containers() if each.phase == "running" and each.nonce]

    def has_begun(self) -> bool:
        return bool(self.containers())

    def containers(self) -> list[Container]:
        found = sorted((self.folder / "containers").iterdir())
        return [Container(**json.loads(each.read_text())) for each in found]

    def end(self, container: Container, exit_code: int) -> None:
        self._write(replace(container, phase="ended", exit_code=exit_code))

    def run_user_code(self, container: Container) -> None:
        """Once in each container."""
        if not self._first("ran", container.attempt) and not self.doubles:
            return
        with (self.folder / "ran").open("a") as log:
            log.write(f"{container.run}\n")

    def ran(self) -> Counter[str]:
        """How often each run's user code did."""
        path = self.folder / "ran"
        return Counter(path.read_text().split() if path.exists() else [])

    def left(self) -> list[str]:
        """Containers, and marks of attempts."""
        return [*(each.attempt for each in self.containers()), *map(str, (self.folder / "marks").glob("stopped-*"))]

    # -- helpers

    def _observe(self, attempt: str) -> Observation:
        known = self._known(attempt)
        if not known:
            return Observation("gone")
        fault: Any = "capacity" if known.never_began else None
        return Observation(known.phase, f"container/{attempt}", known.exit_code, fault=fault)

    def _known(self, attempt: str) -> Container | None:
        path = self.folder / "containers" / attempt
        return Container(**json.loads(path.read_text())) if path.exists() else None

    def _write(self, container: Container) -> None:
        (self.folder / "containers" / container.attempt).write_text(json.dumps(asdict(container)))

    def _has(self, mark: str, of: str) -> bool:
        return (self.folder / "marks" / f"{mark}-{of}").exists()

    def _first(self, mark: str, of: str) -> bool:
        """Leave the mark; whether it was not there."""
        path = self.folder / "marks" / f"{mark}-{of}"
        is_new = not path.exists()
        path.touch()
        return is_new
