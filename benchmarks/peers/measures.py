"""What is measured of each system: how fast runs that are due reach ECS, and how fast a slot goes from run to run."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from statistics import median, quantiles

from benchmarks.peers.ecs import Endpoint
from benchmarks.peers.systems import System

PROBE = 10
"""Runs made first, which tell how long the others will take."""
MARGIN, AHEAD = 2.5, 12.0
"""How much longer making them may take than the first ones say; and seconds from then to the first due time, more than
any of the systems looks ahead."""
MOST_AHEAD = 300.0
"""Seconds in which all runs of a measurement have to be made."""
FAR = timedelta(hours=2)
SETTLE = 1.0
"""Seconds after the last launch within which it is written down, too."""
LOOK = 0.25


class NotInTimeError(Exception):
    """The runs were not made before the first of them was due."""


@dataclass(frozen=True, slots=True)
class Launches:
    """Of runs that were due at known times."""

    wanted: int
    delays: Sequence[float]
    """Seconds from due to RunTask of those that were launched, sorted; negative where it came before."""
    seconds: float
    """From the first due time (or the first RunTask, where that came before) to the last RunTask."""
    cpu: float
    peak: float

    @property
    def rate(self) -> float:
        """Runs a second."""
        return len(self.delays) / self.seconds

    @property
    def cpu_each(self) -> float:
        """Milliseconds a run."""
        return self.cpu * 1000 / max(1, len(self.delays))

    def at(self, percent: int) -> float:
        """A percentile of the delays of all runs; those that were not launched count as later than all others."""
        missing = [float("inf")] * (self.wanted - len(self.delays))
        return quantiles([*self.delays, *missing], n=100, method="inclusive")[percent - 1]


def launches(system: System, ecs: Endpoint, count: int, *, apart: float, patience: float) -> Launches:
    """Runs due `apart` seconds from each other (0: all at once), waited for until `patience` seconds after the last.

    Raises `NotInTimeError`.
    """
    began = time.monotonic()
    system.create_runs([datetime.now(UTC) + FAR] * PROBE)
    needed = (time.monotonic() - began) / PROBE * count * MARGIN + AHEAD
    if needed > MOST_AHEAD:
        raise NotInTimeError(f"{system.name}: making {count} runs would take {needed:.0f} s")
    first = datetime.now(UTC) + timedelta(seconds=needed)
    due = [first + timedelta(seconds=i * apart) for i in range(count)]
    due_at = dict(zip(system.create_runs(due), (each.timestamp() for each in due), strict=True))
    left = first.timestamp() - AHEAD - time.time()
    if left < 0:
        raise NotInTimeError(f"{system.name}: making {count} runs took {-left:.0f} s longer than the first ones said")
    time.sleep(left)
    before = system.use()
    until, at = due[-1].timestamp() + patience, dict[str, float]()
    while len(at) < count and time.time() < until:
        time.sleep(LOOK)
        at = {run: when for run, when in ecs.taken().items() if run in due_at}
    time.sleep(SETTLE)
    after = system.use()
    delays = sorted(when - due_at[run] for run, when in at.items())
    seconds = max(at.values(), default=until) - min([first.timestamp(), *at.values()])
    return Launches(count, delays, seconds, after.since(before), after.peak)


@dataclass(frozen=True, slots=True)
class HandOver:
    """Of runs in a row in one slot: seconds from one's end, by the system's own word, to the next one's RunTask."""

    gaps: Sequence[float]
    cpu: float

    @property
    def middle(self) -> float:
        return median(self.gaps or [float("inf")])

    @property
    def longest(self) -> float:
        return max(self.gaps, default=float("inf"))

    @property
    def cpu_each(self) -> float:
        """Milliseconds a run."""
        return self.cpu * 1000 / (len(self.gaps) + 1)


def hand_over(system: System, ecs: Endpoint, count: int, *, patience: float) -> HandOver:
    """All are due at once, and there is room for one."""
    before = system.use()
    due = datetime.now(UTC)
    mine = set(system.create_runs([due] * count))
    until = time.monotonic() + patience
    ends: dict[str, datetime] = {}
    while len(ends) < count and time.monotonic() < until:
        time.sleep(LOOK * 4)
        ends = {run: at for run, at in system.ends().items() if run in mine}
    starts = sorted((at, run) for run, at in ecs.taken().items() if run in mine)
    gaps = sorted(at - ends[run].timestamp() for (_, run), (at, _) in pairwise(starts) if run in ends)
    return HandOver(gaps, system.use().since(before))
