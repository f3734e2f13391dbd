"""Dispatchers that are killed at every seam of their work: user code runs once, and nothing is left behind.

SKYLIFT_TEST_SEED=N replays the points, turns and delays of a run.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from tests.chaos import points
from tests.chaos.api import serve_api
from tests.chaos.evidence import Limits, find_faults
from tests.chaos.place import Place, open_place

LEASE = 1.0


@contextmanager
def seeded(default: int | None = None) -> Iterator[random.Random]:
    seed = int(os.environ.get("SKYLIFT_TEST_SEED", default or time.time_ns() % 1_000_000))
    print(f"\nSKYLIFT_TEST_SEED={seed}")
    yield random.Random(seed)


def kill_in_rounds(place: Place, deployment: UUID, strikes: list[dict[str, Any]], *, runs: int, patience: float) -> int:
    """In each round some runs become due, and a dispatcher dies at the given point; says how many did."""
    died: Counter[str] = Counter()
    for strike in strikes:
        place.runs(runs, deployment)
        pid = place.start(strike=strike, idle=0.01, strays=True)
        if place.host.wait(pid, patience) is None:
            place.host.end(pid, signal.SIGKILL)  # its point did not come up: then here and now
        else:
            died[strike["point"]] += 1
        assert place.host.ended[pid] == -signal.SIGKILL, place.host.said()
    print(f"killed at their points: {dict(died)}; at any other time: {len(strikes) - died.total()}")
    return died.total()


def check_all_ran_once(place: Place, seconds: float) -> None:
    """One that is not killed heals what the others left."""
    pid = place.start(strays=True)
    place.wait_for_end(seconds)
    place.stop([pid])
    faults = find_faults(place.lines(), place.asked, Limits())
    assert not faults
    assert Counter(place.states().values()) == {"COMPLETED": len(place.asked)}


def test_four_rounds_with_bare_commands(place: Place) -> None:
    place.pool(lease=LEASE)
    deployment = place.deployment("bare", lasts=0.05)
    with seeded(20260101) as chance:
        strikes = [points.at_random(chance) for _ in range(4)]
        kill_in_rounds(place, deployment, strikes, runs=3, patience=1.5)
    check_all_ran_once(place, 60)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_hundred_rounds_with_bare_commands(place: Place) -> None:
    place.pool(lease=LEASE)
    deployment = place.deployment("bare", lasts=0.1)
    with seeded() as chance:
        strikes: list[dict[str, Any]] = [{"point": point} for point in points.POINTS]
        strikes += [points.at_random(chance) for _ in range(100 - len(strikes))]
        chance.shuffle(strikes)
        died = kill_in_rounds(place, deployment, strikes, runs=4, patience=2.5)
    assert died > 50
    check_all_ran_once(place, 120)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_forty_rounds_under_the_runner(store_url: str, tmp_path: Path) -> None:
    with serve_api(store_url, tmp_path) as url, open_place(store_url, tmp_path, api_url=url) as place:
        place.pool(lease=LEASE, heartbeat=2)
        deployment = place.deployment("python", lasts=0.1, runner=True)
        with seeded() as chance:
            strikes = [points.at_random(chance) for _ in range(40)]
            kill_in_rounds(place, deployment, strikes, runs=3, patience=2.5)
        check_all_ran_once(place, 120)
