"""An hour in which nothing is due, with a moved clock: how often functions are called, and what that takes."""

from __future__ import annotations

import time
from dataclasses import dataclass

import pytest
from sqlalchemy import event

from skylift.schedule import schedule
from tests.functions.gcp.bench import Bench
from tests.support.installation import Installation

TICKS = 12


@dataclass(frozen=True, slots=True)
class Hour:
    """What it took."""

    invocations: int
    """Of functions: by the timer, and by tasks that it sent."""
    transactions: int
    cpu: float
    """Seconds, of a function that was there already."""


def idle_hour(url: str, *, pools: int, deployments: int) -> Hour:
    """An installation of so many pools, each with so many deployments, whose schedules are hours away."""
    place = Installation(url)
    with pytest.MonkeyPatch.context() as monkeypatch:
        bench = Bench(place, monkeypatch)
        for number in range(pools):
            place.pool(f"pool-{number}")
            for each in range(deployments):
                name = f"{number}-{each}"
                place.deployment(name, f"pool-{number}", schedules=[{"schedule": {"cron": "0 20 * * *"}}])
        schedule(place.parts)
        place.clock.advance(1800)
        bench.flushed()
        transactions: list[object] = []
        event.listen(place.store.engine, "begin", transactions.append)
        invocations, began = 0, time.process_time()
        for _ in range(TICKS):
            place.clock.advance(300)
            assert bench.call("schedule").status_code == 204
            invocations += 1 + len(bench.flushed())
        took = time.process_time() - began
    place.close()
    return Hour(invocations, len(transactions), took)
