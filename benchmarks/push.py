"""From due to launched: 500 runs that are due in the same second, claimed, frozen, launched and recorded.

The provider is the cloud in memory of the tests, whose calls take no time: what is seen is Skylift's own share. For
information the same after a past, and over real local processes. One dispatcher, the default settings; SQLite and
PostgreSQL.
"""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import quantiles
from typing import Any
from uuid import UUID

from sqlalchemy import Row, event, select

from benchmarks.table import print_machine, print_table
from skylift import new_runs, observe
from skylift.clock import SystemClock
from skylift.dispatch import dispatch
from skylift.models.flows import DeploymentCreate, FlowCreate
from skylift.models.pools import WorkPoolCreate
from skylift.models.runs import DeploymentRunCreate
from skylift.models.states import StateCreate, StateDetails, StateType
from skylift.parts import Parts
from skylift.provider import Launch, Provider
from skylift.registry import Providers
from skylift.security.sealing import Sealer
from skylift.settings import Settings
from skylift.store import Store, Tx, deployments, flows, pools
from skylift.store.tables import flow_run_timeline
from skylift_process.adapter import ProcessProvider
from tests.conftest import Databases, Kind
from tests.support import history
from tests.support.cloud import Cloud
from tests.support.installation import KEY

RUNS = 500
PROCESSES = 100
PASTS = (1_000, 10_000, 100_000)
"""Runs that have ended long ago."""
WHAT = ("Database", "Provider", "Runs", "past runs")
FIGURES = ("p50 s", "p95 s", "p99 s", "last s", "CPU ms/run", "statements/run", "commits/run")
AHEAD = 1.5
"""Seconds from the last insert to the due second."""


class TimedCloud(Cloud):
    """Notes when each launch came."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[datetime] = []

    def launch(self, launch: Launch) -> str:
        self.seen.append(datetime.now(UTC))
        return super().launch(launch)


class Statements:
    """Counts what is sent to the database."""

    def __init__(self, store: Store) -> None:
        self.round_trips: Counter[str] = Counter()
        event.listen(store.engine, "before_cursor_execute", self._statement)
        event.listen(store.engine, "commit", lambda _conn: self.round_trips.update(["commits"]))

    def _statement(self, _conn: Any, _cursor: Any, _sql: str, _values: Any, _context: Any, _many: bool) -> None:
        self.round_trips.update(["statements"])


def main() -> None:
    """Print both tables."""
    print_machine()
    with tempfile.TemporaryDirectory() as folder:
        databases = Databases(Path(folder))
        try:
            rows = [_measured(databases, kind, "in memory", RUNS, _in_memory) for kind in ("sqlite", "postgres")]
            rows += [_measured(databases, "postgres", "in memory", RUNS, _in_memory, past=past) for past in PASTS]
            rows += [
                _measured(databases, kind, "processes", PROCESSES, _processes(Path(folder) / kind))
                for kind in ("sqlite", "postgres")
            ]
        finally:
            databases.close()
    print_table("Due to launched, all runs due in the same second", (*WHAT, *FIGURES), rows)


def _in_memory(store: Store) -> tuple[Provider, Callable[[], list[datetime]]]:
    cloud = TimedCloud()
    return cloud, lambda: cloud.seen


def _processes(root: Path) -> Callable[[Store], tuple[Provider, Callable[[], list[datetime]]]]:
    """The moment is that of the record, as `flow-run explain` shows it: the process was started before it."""

    def make(store: Store) -> tuple[Provider, Callable[[], list[datetime]]]:
        def seen() -> list[datetime]:
            with store.reading() as tx:
                rows = tx.all(select(flow_run_timeline.c.at).where(flow_run_timeline.c.kind == "launched"))
            return [row.at for row in rows]

        return ProcessProvider(root), seen

    return make


def _measured(
    databases: Databases,
    kind: Kind,
    label: str,
    count: int,
    make: Callable[[Store], tuple[Provider, Callable[[], list[datetime]]]],
    past: int = 0,
) -> tuple[object, ...]:
    with databases.fresh(kind) as url:
        store = Store(url, pool_size=20)
        provider, seen = make(store)
        parts = Parts(Settings(), store, Providers({provider.type: provider}), Sealer(KEY))
        pool, due = _prepare(parts, provider, count, past)
        statements = Statements(store)
        time.sleep(max(0.0, (due - SystemClock().now()).total_seconds()))
        cpu = time.process_time()
        report = dispatch(parts, pool.id)
        cpu = time.process_time() - cpu
        assert report.launched == count, report
        trips = (statements.round_trips["statements"] / count, statements.round_trips["commits"] / count)
        delays = sorted((at - due).total_seconds() for at in seen())
        _finish(parts, provider)
        store.close()
    cuts = quantiles(delays, n=100)
    figures = (cuts[49], cuts[94], cuts[98], delays[-1], cpu * 1000 / count)
    return (kind, label, count, past, *figures, *trips)


def _prepare(parts: Parts, provider: Provider, count: int, past: int) -> tuple[Row[Any], datetime]:
    template = provider.base_job_template()
    store = parts.store
    pool = store.transaction(pools.create, WorkPoolCreate(name="pool", type=provider.type, base_job_template=template))
    flow, _ = store.transaction(flows.create, FlowCreate(name="flow"))
    wanted = DeploymentCreate(
        name="deployment",
        flow_id=flow.id,
        work_pool_name="pool",
        engine="command",
        job_variables={"command": "/bin/true", "runner": False},
    )
    deployment_id: UUID = store.transaction(deployments.upsert, wanted)[0].id
    if past:
        history.add_finished(store, past, before=SystemClock().now() - timedelta(hours=1))
        history.analyze(store)

    def make(tx: Tx) -> datetime:
        deployment = deployments.by_id(tx, deployment_id)
        due = tx.now + timedelta(seconds=AHEAD + count / 150)
        state = StateCreate(type=StateType.SCHEDULED, state_details=StateDetails(scheduled_time=due))
        for _ in range(count):
            new_runs.of_deployment(tx, deployment, DeploymentRunCreate(state=state))
        return due

    due = store.transaction(make)
    return pool, due


def _finish(parts: Parts, provider: Provider) -> None:
    """Bring all to their ends, so that nothing is left behind."""
    if isinstance(provider, Cloud):
        return
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        observe.observe(parts)
        with parts.store.reading() as tx:
            if observe.next_look(tx) is None:
                return
        time.sleep(0.2)


if __name__ == "__main__":
    main()
