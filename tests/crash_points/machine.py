"""What is killed at its points: the same verbs over `process:push`, whose changes of this machine are points too."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from typing import Any

from skylift.models.states import StateType
from skylift_process.adapter import ProcessProvider
from tests.chaos.place import processes_of
from tests.crash_points.engine import Cast, Scenario, Stage
from tests.crash_points.file_cloud import Behaviour, Container

PATIENCE = 20.0
"""Seconds that a command may take to begin, or to end."""
ENDLESS = "sleep 600"
COMMANDS = {"quick": "true", "endless": f"exec {ENDLESS}"}
SCENARIOS = {
    "a process": Scenario({"quick": Cast()}),
    "a process that is cancelled": Scenario(
        {"endless": Cast(behaves="endless", cancelled=True, ends=StateType.CANCELLED)}
    ),
}


class Machine(ProcessProvider):
    """The provider itself, and what its processes write."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / "process")
        self.folder = folder

    def variables(self, behaves: Behaviour) -> dict[str, Any]:
        says = f'echo "$SKYLIFT_FLOW_RUN_ID" >> {self.folder}/ran'
        return {"command": f"/bin/sh -c '{says}; {COMMANDS[behaves]}'"}

    def runners(self) -> list[Container]:
        """There are none; what was started has come to its end, or as far as it ever will."""
        until = time.monotonic() + PATIENCE
        while (alive := processes_of(self.folder)) and time.monotonic() < until:
            if any(command.startswith(ENDLESS) for _, command in alive):
                break
            time.sleep(0.01)
        return []

    def has_begun(self) -> bool:
        return bool(self.ran())

    def run_user_code(self, container: Container) -> None:
        raise AssertionError("commands run by themselves")

    def end(self, container: Container, exit_code: int) -> None:
        raise AssertionError("commands end by themselves")

    def ran(self) -> Counter[str]:
        path = self.folder / "ran"
        return Counter(path.read_text().split() if path.exists() else [])

    def left(self) -> list[str]:
        kept = {path.name for path in self.root.iterdir()} - {"id", "removed"} if self.root.exists() else set()
        return [*(f"folder {name}" for name in kept), *(command for _, command in processes_of(self.folder))]


STAGE = Stage(SCENARIOS, Machine, f"{__name__}:play")
play = STAGE.play
