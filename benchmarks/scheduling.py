"""What a tick costs: the verb `schedule` over many deployments, each with a cron schedule of its own.

The first tick writes the next runs of all of them. After that a tick reads the schedules whose time has come: none at
once, and after ten minutes (the clock is moved) those whose runs are running out.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import get_args
from uuid import UUID

from benchmarks.push import Statements
from benchmarks.table import print_machine, print_table
from skylift.clock import ManualClock
from skylift.models.flows import DeploymentCreate, FlowCreate
from skylift.models.pools import WorkPoolCreate
from skylift.parts import Parts
from skylift.registry import Providers
from skylift.schedule import schedule
from skylift.security.sealing import Sealer
from skylift.settings import Settings
from skylift.store import Store, Tx, deployments, flows, pools
from tests.conftest import Databases, Kind
from tests.support.cloud import TEMPLATE, Cloud
from tests.support.installation import KEY, START

SIZES = (100, 1_000, 10_000)
STEP = timedelta(minutes=10)
PER_TRANSACTION = 500


@dataclass(frozen=True, slots=True)
class Tick:
    continued: int
    seconds: float
    cpu: float
    statements: int
    commits: int


def main() -> None:
    """Print a table."""
    rows: list[tuple[object, ...]] = []
    with tempfile.TemporaryDirectory() as folder:
        databases = Databases(Path(folder))
        try:
            for kind in get_args(Kind):
                for size in SIZES:
                    with databases.fresh(kind) as url:
                        rows += [(kind, size, what, *figures) for what, figures in _ticks(url, size).items()]
        finally:
            databases.close()
    figures = ("continued", "ms", "CPU ms", "statements", "commits", "statements/continued")
    print_table("A tick of the schedules", ("Database", "deployments", "tick", *figures), rows)


def _ticks(url: str, size: int) -> dict[str, tuple[object, ...]]:
    clock = ManualClock(START)
    store = Store(url, clock=clock)
    cloud = Cloud()
    parts = Parts(Settings(), store, Providers({cloud.type: cloud}), Sealer(KEY))
    _fill(store, size)
    statements = Statements(store)
    ticks = {"first": _tick(parts, statements), "right after": _tick(parts, statements)}
    clock.at += STEP
    ticks["after ten minutes"] = _tick(parts, statements)
    store.close()
    return {
        what: (
            tick.continued,
            tick.seconds * 1000,
            tick.cpu * 1000,
            tick.statements,
            tick.commits,
            tick.statements / tick.continued if tick.continued else "",
        )
        for what, tick in ticks.items()
    }


def _tick(parts: Parts, statements: Statements) -> Tick:
    """Until nothing waits: one call continues a thousand at most."""
    statements.round_trips.clear()
    cpu, began, continued = time.process_time(), time.perf_counter(), 0
    while done := schedule(parts):
        continued += done
        if done < 1000:
            break
    counted = statements.round_trips
    return Tick(
        continued,
        time.perf_counter() - began,
        time.process_time() - cpu,
        counted["statements"],
        counted["commits"],
    )


def _fill(store: Store, size: int) -> None:
    pool = WorkPoolCreate(name="pool", type=Cloud.type, base_job_template=TEMPLATE)
    store.transaction(pools.create, pool)
    flow_id: UUID = store.transaction(flows.create, FlowCreate(name="flow"))[0].id
    for first in range(0, size, PER_TRANSACTION):
        store.transaction(_deploy(flow_id, range(first, min(size, first + PER_TRANSACTION))))


def _deploy(flow_id: UUID, numbers: range) -> Callable[[Tx], None]:
    def work(tx: Tx) -> None:
        for number in numbers:
            cron = {"cron": f"{number % 60} * * * *", "timezone": "UTC"}
            wanted = DeploymentCreate(
                name=f"deployment-{number}",
                flow_id=flow_id,
                work_pool_name="pool",
                engine="command",
                job_variables={"command": "true"},
                schedules=[{"schedule": cron}],
            )
            deployments.upsert(tx, wanted)

    return work


if __name__ == "__main__":
    print_machine()
    main()
