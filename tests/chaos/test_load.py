"""Many dispatchers, many runs: limits, priorities and once-only, by the runs' own evidence."""

from __future__ import annotations

import time

import pytest

from tests.chaos.evidence import Limits, Summary, find_faults
from tests.chaos.place import Place

LIMITS = Limits(pool=24, queues={"middle": 9}, deployments={"narrow": 5}, first_queue="top")


def load(place: Place, *, runs: int, dispatchers: int, limits: Limits, lasts: float, seconds: float) -> Summary:
    place.pool(limit=limits.pool)
    place.queue("top", 1)
    place.queue("middle", 2, limits.queues["middle"])
    wide = place.deployment("wide", lasts=lasts)
    narrow = place.deployment("narrow", lasts=lasts, limit=limits.deployments["narrow"])
    share = runs // 10
    # The lower ones first: earlier due, and yet later.
    place.runs(2 * share, wide, "default")
    place.runs(share // 2, narrow, "default")
    place.runs(3 * share, wide, "middle")
    place.runs(share // 2, narrow, "middle")
    place.runs(runs - len(place.asked), wide, "top")
    pids = [place.start(idle=0.1) for _ in range(dispatchers)]
    place.wait_for_end(seconds)
    place.stop(pids)
    lines = place.lines()
    assert not find_faults(lines, place.asked, limits)
    assert set(place.states().values()) == {"COMPLETED"}
    summary = Summary.of(lines)
    cpu = place.cpu_seconds() / runs * 1000
    print(f"\n{dispatchers} dispatchers on {place.parts.store.dialect}: {summary}; {cpu:.1f} ms of CPU a run in them")
    return summary


def test_three_dispatchers_share_a_pool(place: Place) -> None:
    limits = Limits(pool=12, queues={"middle": 5}, deployments={"narrow": 3}, first_queue="top")
    load(place, runs=60, dispatchers=3, limits=limits, lasts=0.3, seconds=90)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_eight_dispatchers_share_two_thousand_runs(place: Place) -> None:
    began = time.monotonic()
    summary = load(place, runs=2000, dispatchers=8, limits=LIMITS, lasts=0.8, seconds=700)
    assert summary.highest > (LIMITS.pool or 0) / 2, "otherwise the limits were never put to the test"
    print(f"in all {time.monotonic() - began:.0f} s")
