"""Skylift, Prefect with its worker for ECS, and Dagster with its launcher for ECS, over the very same local ECS.

`python -m benchmarks.peers [skylift] [prefect] [dagster] [--databases sqlite postgres]`
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from benchmarks.peers import dagster, systems
from benchmarks.peers.ecs import Endpoint, endpoint
from benchmarks.peers.measures import HandOver, Launches, NotInTimeError, hand_over, launches
from benchmarks.peers.systems import System
from benchmarks.table import print_machine, print_table
from tests.conftest import Kind

APART = 0.2
DAGSTER_RUNS = 100


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is asked of a system; of a slow one less, so that the whole stays within half an hour."""

    start: Callable[..., AbstractContextManager[System]]
    bursts: Sequence[int]
    steady: int
    hand_overs: int


PLANS = {
    "skylift": Plan(systems.skylift, bursts=(100, 200, 1000), steady=300, hand_overs=50),
    "prefect": Plan(systems.prefect, bursts=(100,), steady=150, hand_overs=10),
}
PATIENCE = {"burst": 150.0, "steady": 45.0, "hand over": 120.0}
"""Seconds after the last run was due."""
WHO = ("System", "Database")
LAUNCHES = ("what", "launched", "runs/s", "p50 s", "p95 s", "p99 s", "CPU ms/run", "peak MB")
GAPS = ("runs", "median ms", "longest ms", "CPU ms/run")


def main() -> None:
    """Print the tables, each row as soon as it is known on stderr."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description="Against real peers.")
    parser.add_argument("systems", nargs="*", metavar="skylift|prefect|dagster")
    parser.add_argument("--databases", nargs="+", default=get_args(Kind), choices=get_args(Kind))
    asked = parser.parse_args()
    names = asked.systems or [*PLANS, "dagster"]
    rows: list[tuple[object, ...]] = []
    gaps: list[tuple[object, ...]] = []
    for kind in asked.databases:
        for name in names:
            if name == "dagster":
                rows += _dagster(kind)
            else:
                rows += _launches(kind, name, PLANS[name])
                gaps.append(_hand_over(kind, name, PLANS[name]))
    print_table("From due to RunTask accepted", (*WHO, *LAUNCHES), rows)
    if gaps:
        print_table("One slot, from a run's end to the next one's RunTask", (*WHO, *GAPS), gaps)


def _launches(kind: Kind, name: str, plan: Plan) -> list[tuple[object, ...]]:
    asked = [(f"{count:,} at once", count, 0.0, PATIENCE["burst"]) for count in plan.bursts]
    asked.append((f"one every {APART * 1000:.0f} ms", plan.steady, APART, PATIENCE["steady"]))
    try:
        with _place(plays=False) as (folder, ecs), plan.start(kind, folder, ecs) as system:
            return [_measured(system, ecs, kind, *each) for each in asked]
    except RuntimeError as error:  # it did not even start
        return [_not_measured(error, LAUNCHES, name, kind, what) for what, *_ in asked]


def _measured(
    system: System, ecs: Endpoint, kind: Kind, what: str, count: int, apart: float, patience: float
) -> tuple[object, ...]:
    """A row; one without figures where a busy machine made them worthless, or the system answered with an error."""
    try:
        found = launches(system, ecs, count, apart=apart, patience=patience)
    except (NotInTimeError, RuntimeError) as error:
        return _not_measured(error, LAUNCHES, system.name, kind, what)
    return _row(system.name, kind, what, found, patience)


def _dagster(kind: Kind) -> Iterator[tuple[object, ...]]:
    with _place(plays=False) as (folder, ecs):
        found = dagster.burst(kind, folder, ecs, DAGSTER_RUNS, patience=PATIENCE["burst"])
        yield _row("dagster", kind, f"{DAGSTER_RUNS} at once", found, PATIENCE["burst"])


def _hand_over(kind: Kind, name: str, plan: Plan) -> tuple[object, ...]:
    try:
        with _place(plays=True) as (folder, ecs), plan.start(kind, folder, ecs, limit=1) as system:
            found: HandOver = hand_over(system, ecs, plan.hand_overs, patience=PATIENCE["hand over"])
    except RuntimeError as error:
        return _not_measured(error, GAPS, name, kind, plan.hand_overs)
    row = (name, kind, plan.hand_overs, found.middle * 1000, found.longest * 1000, found.cpu_each)
    _say(row)
    return row


def _not_measured(error: Exception, columns: tuple[str, ...], *first: object) -> tuple[object, ...]:
    """A row of which only the first columns are known, and why."""
    print(error, file=sys.stderr, flush=True)
    return (*first, *["not measured"] * (len(columns) - 1))


@contextmanager
def _place(*, plays: bool) -> Iterator[tuple[Path, Endpoint]]:
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, endpoint(plays=plays) as ecs:
        yield Path(folder), ecs


def _row(name: str, kind: Kind, what: str, found: Launches, patience: float) -> tuple[object, ...]:
    times = [at if at < float("inf") else f"> {patience:.0f}" for at in map(found.at, (50, 95, 99))]
    row = (name, kind, what, len(found.delays), found.rate, *times, found.cpu_each, round(found.peak))
    _say(row)
    return row


def _say(row: tuple[object, ...]) -> None:
    print(time.strftime("%H:%M:%S"), *row, file=sys.stderr, flush=True)


if __name__ == "__main__":
    print_machine()
    main()
