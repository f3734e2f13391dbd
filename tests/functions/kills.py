"""Functions whose processes are killed all the while that they have work: each function many times, at any moment."""

from __future__ import annotations

import math
import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

from tests.functions.workload import Workload

EACH = 100
"""Kills of each function."""
SECONDS = 900.0
"""Within which they have to be done; a third of that on a machine that does nothing else."""
SOON, LATE = 0.003, 1.5
"""Seconds from when a process is found at work until it is killed, each order of magnitude alike: warm functions work
for milliseconds, those that start for seconds."""
REST = 1.0
"""Seconds at most that a function is left alone after it has done something once more: what is killed each time never
gets anything done, and its messages end where messages do that nobody can deal with."""
SLOTS = 5
Work = tuple[Callable[[int], Any], float]
"""What is done again and again, given how often it was before, and the seconds from one time to the next."""


class Killable(Protocol):
    """Whatever runs a function."""

    @property
    def is_busy(self) -> bool:
        """Whether an event is under way in it."""
        ...

    def kill_if_busy(self) -> bool:
        """SIGKILL in the midst of an event; says whether there was one."""
        ...


class Killer:
    """Kills each function by itself, whenever it is at work, until it was killed often enough."""

    def __init__(self, victims: Mapping[str, Sequence[Killable]], each: int = EACH, seconds: float = SECONDS) -> None:
        """`victims`: what runs each function, by the function's name."""
        self.each, self.end = each, time.monotonic() + seconds
        self.kills = dict.fromkeys(victims, 0)
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._hunt, args=some, daemon=True) for some in victims.items()]

    @property
    def is_done(self) -> bool:
        return min(self.kills.values()) >= self.each

    @property
    def is_over(self) -> bool:
        """Whether it is done, was stopped, or has no time left."""
        return self.is_done or self._stopping.is_set() or time.monotonic() > self.end

    def stop(self) -> None:
        self._stopping.set()

    def __enter__(self) -> Killer:
        for each in self._threads:
            each.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        for each in self._threads:
            each.join(30)

    def _hunt(self, name: str, victims: Sequence[Killable]) -> None:
        chance = random.Random(name)
        while self.kills[name] < self.each and (victim := self._busy_one(victims)):
            self._stopping.wait(math.exp(chance.uniform(math.log(SOON), math.log(LATE))))
            if victim.kill_if_busy():
                self.kills[name] += 1
                self._wait_while_busy(victim)  # until it is known to be dead
                if other := self._busy_one(victims):
                    self._wait_while_busy(other)
                self._stopping.wait(chance.uniform(0, REST))

    def _busy_one(self, victims: Sequence[Killable]) -> Killable | None:
        """Once there is one; None where it is time to stop."""
        while not self._stopping.wait(0.002):
            if found := next((each for each in victims if each.is_busy), None):
                return found
        return None

    def _wait_while_busy(self, victim: Killable) -> None:
        while victim.is_busy and not self._stopping.wait(0.002):
            pass


def keep_busy(world: Workload, killer: Killer, *others: Work) -> int:
    """Schedules, webhooks, calls of the API, functions whose runners speak to it, and the timer, until the killer has
    done its work; says how many runs were asked for."""
    sender, caller = world.webhook(), world.caller()
    works = (
        (lambda _: world.tick(), 0.5),
        (sender.deliver, 0.5),
        (caller.start, 0.5),
        (lambda number: _schedule(world, number), 6.0),
        *others,
    )

    def repeat(act: Callable[[int], Any], pause: float) -> list[Any]:
        told: list[Any] = []
        try:
            while not killer.is_over:
                told.append(act(len(told)))
                time.sleep(pause)
        except BaseException:
            killer.stop()
            raise
        return told

    with killer, ThreadPoolExecutor(len(works)) as threads:
        doings = [threads.submit(repeat, *some) for some in works]
        _, delivered, started, scheduled, *_ = [each.result() for each in doings]
    assert killer.is_done, killer.kills
    assert len({*delivered, *started}) == len(delivered) + len(started)
    runs: int = len(delivered) + len(started) + sum(scheduled)
    return runs


def _schedule(world: Workload, number: int) -> int:
    world.deployment(f"deployment-{number}", slots=SLOTS, after=2)
    world.function_deployment(f"function-{number}", after=2)
    return SLOTS + 1
