"""The process provider's harness, and what its tests share."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

from skylift.provider import Observation, Watched
from skylift_process import ProcessProvider
from tests.providers.contract import Harness, Program, new_launch, wait_for

PROGRAMS: dict[Program, str] = {
    "lines": "printf 'one\ntwo\nthree\n'",
    "fails": "exit 3",
    "endless": "exec sleep 600",
    "stubborn": "while :; do sleep 0.1; done",
}


class ProcessHarness(Harness):
    """Real processes below a folder of the test's own; evidence is a line appended by user code itself."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "process"
        self.evidence = folder / "evidence"

    def provider(self) -> ProcessProvider:
        return ProcessProvider(self.root)

    def configuration(self, program: Program, env: Mapping[str, str]) -> dict[str, Any]:
        if program == "broken":
            return {"command": ["/nowhere/at/all"], "env": dict(env)}
        return self.script(PROGRAMS[program], env, first="trap '' TERM" if program == "stubborn" else ":")

    def script(
        self, text: str, env: Mapping[str, str] | None = None, *, first: str = ":", **more: Any
    ) -> dict[str, Any]:
        """A shell script that says once that it began."""
        mark = f'{first}; echo "$SKYLIFT_ATTEMPT $$" >> {shlex.quote(str(self.evidence))}; '
        return {"command": ["/bin/sh", "-c", mark + text], "env": dict(env or {}), **more}

    def starts(self, attempt_id: UUID) -> int:
        lines = self.evidence.read_text().splitlines() if self.evidence.exists() else []
        return sum(line.startswith(str(attempt_id)) for line in lines)

    def run(self, configuration: Mapping[str, Any]) -> tuple[Watched, Observation]:
        """Launch it and wait for its end."""
        launch = new_launch(configuration)
        provider = self.provider()
        watched = Watched(launch.attempt_id, provider.launch(launch))
        return watched, self.wait(watched, "ended")

    def wait(self, watched: Watched, *phases: str) -> Observation:
        provider = self.provider()
        return wait_for(
            lambda: provider.status([watched])[watched.attempt_id],
            lambda seen: seen.phase in phases,
            self.patience,
        )


def carriers_of(text: str) -> list[int]:
    """Pids of the live processes that have `text` in their environment, this one aside."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) != os.getpid():
            try:
                environment = Path(f"/proc/{name}/environ").read_bytes()
            except OSError:
                continue
            if text.encode() in environment:
                found.append(int(name))
    return found


def children() -> Sequence[int]:
    """This process's children, zombies included."""
    found = []
    for task in os.listdir("/proc/self/task"):
        found += [int(pid) for pid in Path(f"/proc/self/task/{task}/children").read_text().split()]
    return found
