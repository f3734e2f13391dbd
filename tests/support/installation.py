"""An installation for tests: a store with a clock that stands still, and a cloud in memory."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from cryptography.fernet import Fernet
from sqlalchemy import Row, select

from skylift import new_runs
from skylift.clock import ManualClock
from skylift.models.flows import DeploymentCreate, FlowCreate
from skylift.models.pools import WorkPoolCreate, WorkQueueCreate
from skylift.models.runs import DeploymentRunCreate
from skylift.models.states import StateCreate, StateDetails, StateType
from skylift.parts import Parts
from skylift.registry import Providers
from skylift.security.sealing import Sealer
from skylift.settings import Settings
from skylift.store import Store, Tx, deployments, flows, pools, runs
from skylift.store.tables import flow_runs, metadata
from tests.support.cloud import TEMPLATE, Cloud

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
KEY = Fernet.generate_key().decode()


class Installation:
    """The parts, with shorthands for making what tests need."""

    def __init__(self, url: str, *, isolation_level: str | None = None, key: str = KEY) -> None:
        self.clock = ManualClock(START)
        self.cloud = Cloud()
        self.store = Store(url, clock=self.clock, isolation_level=isolation_level)
        self.parts = Parts(
            Settings(launch_threads=1), self.store, Providers({self.cloud.type: self.cloud}), Sealer(key)
        )

    def close(self) -> None:
        self.store.close()

    def wipe(self) -> None:
        """Empty every table."""

        def work(tx: Tx) -> None:
            for table in metadata.sorted_tables:
                tx.run(table.delete())

        self.store.transaction(work)
        self.clock.at = START
        self.cloud.__init__()  # type: ignore[misc]

    def pool(self, name: str = "pool", **values: Any) -> Row[Any]:
        values = {"type": self.cloud.type, "base_job_template": TEMPLATE} | values
        return self.store.transaction(pools.create, WorkPoolCreate(name=name, **values))

    def queue(self, name: str, pool: str = "pool", **values: Any) -> Row[Any]:
        return self.store.transaction(pools.create_queue, pool, WorkQueueCreate(name=name, **values))

    def deployment(self, name: str = "deployment", pool: str | None = "pool", **values: Any) -> Row[Any]:
        flow, _ = self.store.transaction(flows.create, FlowCreate(name=values.pop("flow", "flow")))
        values.setdefault("job_variables", {"command": "true"})
        wanted = DeploymentCreate(name=name, flow_id=flow.id, work_pool_name=pool, engine="command", **values)
        return self.store.transaction(deployments.upsert, wanted)[0]

    def run(self, deployment_id: UUID, *, after: float = 0, queue: str | None = None, **values: Any) -> UUID:
        """A run of the deployment, due `after` seconds from now."""
        when = self.clock.at + timedelta(seconds=after)
        state = StateCreate(type=StateType.SCHEDULED, state_details=StateDetails(scheduled_time=when))

        def work(tx: Tx) -> UUID:
            wanted = DeploymentRunCreate(state=state, work_queue_name=queue, **values)
            row, _ = new_runs.of_deployment(tx, deployments.by_id(tx, deployment_id), wanted)
            run_id: UUID = row.id
            return run_id

        return self.store.transaction(work)

    def row(self, run_id: UUID) -> Row[Any]:
        with self.store.reading() as tx:
            return runs.by_id(tx, run_id)

    def rows(self, table: Any) -> list[Row[Any]]:
        with self.store.reading() as tx:
            return tx.all(select(table))

    def states(self) -> dict[UUID, str]:
        """The state type of every run."""
        return {row.id: row.state_type for row in self.rows(flow_runs)}
