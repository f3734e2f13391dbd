"""A small discrete-event simulation. A process is a generator that yields what it waits for; see `Simulation.wait`,
`Resource.acquire` and `Signal.wait`. All times are in seconds of the simulation."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Generator
from itertools import count

Resume = Callable[[], None]
Wish = Callable[[Resume], None]
"""What a process yields: it is told how to go on, and does that when the time has come."""
Process = Generator[Wish, None, None]

QUANTUM = 0.005
"""How long who computes keeps a core while others want it."""


class Simulation:
    """The clock, and what is to happen."""

    def __init__(self) -> None:
        self.now = 0.0
        self._agenda: list[tuple[float, int, Resume]] = []
        self._order = count()

    def start(self, process: Process, at: float | None = None) -> None:
        """Have it begin, now or later."""
        self._plan(self.now if at is None else at, lambda: self._step(process))

    def wait(self, seconds: float) -> Wish:
        """For a time."""

        def wish(resume: Resume) -> None:
            self._plan(self.now + seconds, resume)

        return wish

    def run(self, until: float = float("inf")) -> None:
        """Until nothing is left to happen, or this time."""
        while self._agenda and self._agenda[0][0] <= until:
            self.now, _, happen = heapq.heappop(self._agenda)
            happen()

    def _step(self, process: Process) -> None:
        try:
            wish = next(process)
        except StopIteration:
            return
        wish(lambda: self.start(process))

    def _plan(self, at: float, resume: Resume) -> None:
        heapq.heappush(self._agenda, (at, next(self._order), resume))


class Resource:
    """So many may have it at once; the others queue up."""

    def __init__(self, simulation: Simulation, capacity: int) -> None:
        self.simulation, self.capacity = simulation, capacity
        self.taken = 0
        self._queue: deque[Resume] = deque()
        self._busy, self._since = 0.0, 0.0

    def acquire(self) -> Wish:
        """For a turn."""

        def wish(resume: Resume) -> None:
            if self.taken < self.capacity:
                self._count(1)
                resume()
            else:
                self._queue.append(resume)

        return wish

    def release(self) -> None:
        """Who waits longest has it next."""
        if self._queue:
            self._queue.popleft()()
        else:
            self._count(-1)

    @property
    def busy(self) -> float:
        """Seconds for which it was taken, added up over all its places."""
        return self._busy + self.taken * (self.simulation.now - self._since)

    def _count(self, change: int) -> None:
        self._busy = self.busy
        self._since = self.simulation.now
        self.taken += change


class Signal:
    """Something that happens again and again."""

    def __init__(self) -> None:
        self._waiting: list[Resume] = []

    def wait(self) -> Wish:
        """Until it happens next."""
        return self._waiting.append

    def fire(self) -> None:
        waiting, self._waiting = self._waiting, []
        for resume in waiting:
            resume()


def compute(simulation: Simulation, seconds: float, *resources: Resource) -> Process:
    """Use all of these, taken in this order, for so long in all, a quantum at a time."""
    while seconds > 0:
        for each in resources:
            yield each.acquire()
        turn = min(seconds, QUANTUM)
        yield simulation.wait(turn)
        seconds -= turn
        for each in reversed(resources):
            each.release()
