"""Plays a scenario once to count its points, then once for each of them: killed there, gone on with, looked at."""

from __future__ import annotations

import random
import shutil
import signal
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, Protocol

from tests.chaos.forks import Host
from tests.conftest import Databases, Kind

PATIENCE = 100.0


class Stage(Protocol):
    """Something with a play in it. `folder` is where it keeps whatever outlives its processes."""

    @property
    def call(self) -> str:
        """`module:function` of its play, which a process of its own is given to: `url`, `folder`, `scenario`, `trail`
        (where it leaves the names of the points that it reached) and `strike`: at which point it is to be killed, None
        where it is to go on to the end."""
        ...

    def furnish(self, url: str, folder: Path, scenario: str) -> None:
        """Make what is there before anything begins."""
        ...

    def go_on(self, folder: Path) -> None:
        """What happens before somebody goes on after a kill."""
        ...

    def faults(self, url: str, folder: Path, scenario: str) -> list[str]:
        """What is not as it should be in the end."""
        ...


@dataclass
class Enumeration:
    """Of the points of one stage, over databases of one kind. `host` has imported the
    stage."""

    stage: Stage
    host: Host
    databases: Databases
    folder: Path
    kind: Kind = "sqlite"
    options: dict[str, Any] = field(default_factory=dict)
    """More for `play`."""
    _numbers: Iterator[int] = field(default_factory=count)

    def points_of(self, scenario: str) -> list[str]:
        """What they are called, in their order, by a play that nobody kills."""
        return self.strike(scenario, None)

    def every(self, scenario: str) -> int:
        """Strike at every point, and say how many there are."""
        return self._strikes(scenario, range(1, len(self.points_of(scenario)) + 1))

    def sample(self, scenario: str, number: int, chance: random.Random) -> int:
        """Strike at some."""
        return self._strikes(scenario, chance.sample(range(1, len(self.points_of(scenario)) + 1), number))

    def _strikes(self, scenario: str, strikes: Iterable[int]) -> int:
        """How many of them were reached: now and then a play is a look shorter than the one that was counted."""
        played = [(each, self.strike(scenario, each)) for each in strikes]
        return sum(each <= len(reached) for each, reached in played)

    def strike(self, scenario: str, strike: int | None) -> list[str]:
        """Play it, killed at this point and gone on with; the points that were reached by then. AssertionError where
        anything is wrong in the end."""
        folder = self.folder / str(next(self._numbers))
        folder.mkdir()
        with self.databases.fresh(self.kind) as url:
            self.stage.furnish(url, folder, scenario)
            code = self._run(url, folder, scenario, strike)
            names = (folder / "trail").read_text().splitlines()
            struck = strike is not None and strike <= len(names)
            assert code == (-signal.SIGKILL if struck else 0), f"{scenario}, point {strike}\n{self.host.said()}"
            where = f"{scenario}, point {strike}: {names[-1]}"
            if struck:
                self.stage.go_on(folder)
                assert self._run(url, folder, scenario, None) == 0, f"{where}\n{self.host.said()}"
            faults = self.stage.faults(url, folder, scenario)
            assert not faults, "\n".join([where, *faults])
        shutil.rmtree(folder)
        return names

    def _run(self, url: str, folder: Path, scenario: str, strike: int | None) -> int | None:
        common = {"url": url, "folder": str(folder), "scenario": scenario, "trail": str(folder / "trail")}
        pid = self.host.start(self.stage.call, **common, strike=strike, **self.options)
        code = self.host.wait(pid, PATIENCE)
        if code is None:
            self.host.end(pid, signal.SIGKILL)
        return code
