"""An installation in which much has run: flow runs with their states, timelines, task runs, logs and slots, on either
database. It writes the tables directly, as the engine would have left them."""

from __future__ import annotations

import json
import random
import zlib
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Row, Table, insert, text

from skylift.ids import new_id
from skylift.store import Tx
from skylift.store.tables import (
    attempts,
    due,
    ended_attempts,
    flow_run_states,
    flow_run_timeline,
    flow_runs,
    log_batches,
    schedule_slots,
    task_runs,
)
from tests.support.installation import Installation

FLOWS, DEPLOYMENTS, POOLS = 10, 50, 5
DAYS = 30
WAITING, COMING, LIVE = 2_000, 2_000, 200
CHUNK = 2_000
TASK_RUNS = 2
REASONS = (
    "Flow run encountered an exception: ValueError: no rows in part {number}",
    "The infrastructure ended without a report of the run (OutOfMemoryError: container {id} killed)",
    "The command ended with exit code {number}",
)
LINES = zlib.compress(
    json.dumps([["2026-03-01T12:00:00+00:00", 20, "flow", f"line {n}", None] for n in range(20)]).encode()
)


@dataclass
class Volume:
    """What was made."""

    place: Installation
    dice: random.Random
    pools: list[Row[Any]] = field(default_factory=list)
    deployments: list[Row[Any]] = field(default_factory=list)
    run: UUID | None = None
    """One that has failed, with task runs and logs."""
    waiting: UUID | None = None
    """One whose time has come."""
    rows: dict[Table, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))

    def flush(self) -> None:
        self.place.store.transaction(self._write)
        self.rows.clear()

    def _write(self, tx: Tx) -> None:
        for table, rows in self.rows.items():
            tx.run(insert(table), rows)

    def add_finished(self, number: int, at: datetime) -> None:
        """A run that was due then, and is over."""
        failed = self.dice.random() < 0.1
        state = "FAILED" if failed and number % 3 else "CRASHED" if failed else "COMPLETED"
        run, deployment = self._run(number, at, state)
        message = REASONS[number % 3].format(number=number, id=run["id"].hex) if failed else None
        attempt, end = uuid4(), at + timedelta(seconds=60)
        run |= {"start_time": at, "end_time": end, "run_count": 1, "total_run_time": 60.0}
        self._states(run, [("SCHEDULED", None), ("PENDING", None), ("RUNNING", None), (state, message)])
        lines = [("claimed", "A slot was taken"), ("launched", "The provider started it"), ("ended", "It is over")]
        for kind, said in lines:
            self._line(run, at, kind, said, attempt)
        ended = {"id": attempt, "flow_run_id": run["id"], "work_pool_id": run["work_pool_id"], "ended_at": end}
        more = {"provider_type": "cloud:push", "output_offset": 0, "reports": True, "reported_end": True}
        self.rows[ended_attempts].append(ended | more)
        self._slot(run, deployment)
        self._logs(run, at)
        for place in range(TASK_RUNS):
            self._task_run(run, at, place, state)
        if failed:
            self.run = run["id"]

    def add_scheduled(self, number: int, at: datetime, *, is_due: bool) -> None:
        """A run that waits for its time, or for a slot."""
        run, deployment = self._run(number, at, "SCHEDULED")
        run["state_name"] = "Late" if is_due else "Scheduled"
        run["next_scheduled_start_time"] = at
        self._states(run, [("SCHEDULED", None)])
        self._slot(run, deployment)
        own = ("work_pool_id", "work_queue_id", "deployment_id")
        waits = {"flow_run_id": run["id"], "due_at": at, "watch_late": not is_due}
        self.rows[due].append(waits | {name: run[name] for name in own})
        if is_due:
            self.waiting = run["id"]

    def add_live(self, number: int, at: datetime) -> None:
        """A run that holds a slot."""
        run, _ = self._run(number, at, "RUNNING")
        run |= {"start_time": at, "run_count": 1}
        self._states(run, [("SCHEDULED", None), ("PENDING", None), ("RUNNING", None)])
        self._logs(run, at)
        times = dict.fromkeys(("claimed_at", "lease_until", "look_at", "launched_at", "admitted_at"), at)
        own = ("work_pool_id", "work_queue_id", "deployment_id")
        attempt = {"id": uuid4(), "flow_run_id": run["id"], "provider_type": "cloud:push", "phase": "admitted"}
        more = {"lease_owner": uuid4(), "launch_calls": 1, "reports": True, "output_offset": 0, "handle": "container/1"}
        self.rows[attempts].append(attempt | times | more | {name: run[name] for name in own})

    def _run(self, number: int, at: datetime, state: str) -> tuple[dict[str, Any], Row[Any]]:
        deployment = self.deployments[number % len(self.deployments)]
        run = dict.fromkeys((column.name for column in flow_runs.c), None) | {
            "id": new_id(),
            "created": at,
            "updated": at,
            "flow_id": deployment.flow_id,
            "deployment_id": deployment.id,
            "name": f"run-{number}",
            "parameters": {"part": number, "rows": list(range(20))},
            "job_variables": {},
            "context": {},
            "tags": ["a", f"tag-{number % 100}"],
            "labels": {},
            "empirical_policy": {},
            "auto_scheduled": True,
            "work_pool_id": deployment.work_pool_id,
            "work_queue_id": deployment.work_queue_id,
            "state_type": state,
            "state_name": state.capitalize(),
            "state_timestamp": at,
            "run_count": 0,
            "expected_start_time": at,
            "total_run_time": 0.0,
            "infrastructure_retries": 0,
            "launch_delays": 0,
        }
        self.rows[flow_runs].append(run)
        return run, deployment

    def _states(self, run: dict[str, Any], states: list[tuple[str, str | None]]) -> None:
        for type_, message in states:
            own = {"id": new_id(), "flow_run_id": run["id"], "timestamp": run["expected_start_time"], "type": type_}
            more: dict[str, Any] = {"name": type_.capitalize(), "message": message, "data": None, "state_details": {}}
            self.rows[flow_run_states].append(own | more)
        run["state_id"] = self.rows[flow_run_states][-1]["id"]

    def _line(self, run: dict[str, Any], at: datetime, kind: str, message: str, attempt: UUID) -> None:
        line = {"id": new_id(), "flow_run_id": run["id"], "attempt_id": attempt, "at": at}
        self.rows[flow_run_timeline].append(line | {"kind": kind, "message": message, "remedy": None})

    def _slot(self, run: dict[str, Any], deployment: Row[Any]) -> None:
        slot = {"deployment_id": deployment.id, "identity": "every-so-often", "slot": run["expected_start_time"]}
        self.rows[schedule_slots].append(slot | {"flow_run_id": run["id"], "skipped": None})

    def _logs(self, run: dict[str, Any], at: datetime) -> None:
        batch = {"id": new_id(), "flow_run_id": run["id"], "first_at": at, "last_at": at}
        self.rows[log_batches].append(batch | {"max_level": 20, "lines": 20, "body": LINES})

    def _task_run(self, run: dict[str, Any], at: datetime, place: int, state: str) -> None:
        task_run = dict.fromkeys((column.name for column in task_runs.c), None) | {
            "id": new_id(),
            "created": at,
            "updated": at,
            "name": f"task-{place}",
            "flow_run_id": run["id"],
            "task_key": "task",
            "dynamic_key": str(place),
            "empirical_policy": {},
            "tags": [],
            "labels": {},
            "task_inputs": {},
            "state_id": new_id(),
            "state_type": state,
            "state_name": state.capitalize(),
            "state_timestamp": at,
            "state_order": "1",
            "run_count": 1,
            "flow_run_run_count": 1,
            "expected_start_time": at,
            "start_time": at,
            "end_time": at,
            "total_run_time": 1.0,
        }
        self.rows[task_runs].append(task_run)


def fill(place: Installation, runs: int, *, waiting: int = WAITING, coming: int = COMING, live: int = LIVE) -> Volume:
    """So many runs over the last month, a tenth of which failed; and some that wait, that are to come, and that hold
    slots, in pools that are full."""
    volume = Volume(place, random.Random(1))
    for number in range(POOLS):
        volume.pools.append(place.pool(f"pool-{number}", concurrency_limit=max(1, live // POOLS)))
        place.queue("high", f"pool-{number}", priority=1)
    for number in range(DEPLOYMENTS):
        pool, flow = f"pool-{number % POOLS}", f"flow-{number % FLOWS}"
        volume.deployments.append(place.deployment(f"d-{number}", pool, flow=flow, tags=["a", "b"]))
    now, month = place.clock.at, DAYS * 86_400
    for number in range(runs):
        volume.add_finished(number, now - timedelta(seconds=month * (1 - number / runs) + 60))
        if number % CHUNK == CHUNK - 1:
            volume.flush()
    for number in range(waiting):
        volume.add_scheduled(number, now - timedelta(seconds=600 * (1 - number / waiting) + 1), is_due=True)
    for number in range(coming):
        volume.add_scheduled(number, now + timedelta(seconds=60 + 86_400 * number / coming), is_due=False)
    for number in range(live):
        volume.add_live(number, now - timedelta(seconds=30))
    volume.flush()
    _analyse(place)
    return volume


def _analyse(place: Installation) -> None:
    """As PostgreSQL does by itself after a while."""
    if place.store.dialect == "postgresql":
        with place.store.readers.connect() as conn:
            conn.execute(text("ANALYZE"))
