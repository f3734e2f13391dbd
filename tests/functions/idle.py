"""An hour in which nothing is due, with a moved clock: how often functions are called, and what that takes."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from typing import Protocol, TypeVar

import pytest

from skylift.schedule import schedule
from tests.support.installation import Installation
from tests.support.transactions import transactions_of

TICKS = 12
MINUTES = 5


class Bench(Protocol):
    """A platform's functions in this process."""

    def flushed(self) -> Sequence[object]:
        """Wakeups that were sent since it was asked last: an invocation each."""
        ...


B = TypeVar("B", bound=Bench)


@dataclass(frozen=True, slots=True)
class Hour:
    """What it took."""

    invocations: int
    """Of functions: by the timer, and by messages that it sent."""
    transactions: int
    written: int
    """Bytes of logs and metrics to standard output, without the platform's own lines."""
    cpu: float
    """Seconds, of functions that were there already."""


def idle_hour(
    url: str,
    make: Callable[[Installation, pytest.MonkeyPatch], B],
    tick: Callable[[B], object],
    *,
    pools: int,
    deployments: int,
) -> Hour:
    """An installation of so many pools, each with so many deployments, whose schedules are hours away."""
    place = Installation(url)
    with pytest.MonkeyPatch.context() as monkeypatch:
        bench = make(place, monkeypatch)
        for number in range(pools):
            place.pool(f"pool-{number}")
            for each in range(deployments):
                name = f"{number}-{each}"
                place.deployment(name, f"pool-{number}", schedules=[{"schedule": {"cron": "0 20 * * *"}}])
        schedule(place.parts)
        place.clock.advance(1800)
        bench.flushed()
        invocations, written, began = 0, io.StringIO(), time.process_time()
        with transactions_of(place.store.engine) as transactions:
            for _ in range(TICKS):
                place.clock.advance(MINUTES * 60)
                with redirect_stdout(written):
                    tick(bench)
                invocations += 1 + len(bench.flushed())
        took = time.process_time() - began
    place.close()
    return Hour(invocations, len(transactions), len(written.getvalue()), took)
