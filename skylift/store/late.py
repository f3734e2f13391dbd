"""Runs that should have started a while ago."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select, update

from skylift.errors import NotFoundError
from skylift.models.states import StateType, make_state
from skylift.store import runs
from skylift.store.engine import Tx
from skylift.store.tables import due as due_table
from skylift.store.tables import flow_runs, work_pools, work_queues
from skylift.wakeups import Dispatch


def mark(tx: Tx, run_ids: Sequence[UUID]) -> int:
    """Call these runs Late where they still wait for their first start."""
    _bring_home(tx, run_ids)
    marked = 0
    for run_id in sorted(run_ids):
        try:
            run = runs.lock(tx, run_id)
        except NotFoundError:
            continue  # deleted meanwhile
        if run.state_type == StateType.SCHEDULED and run.state_name == "Scheduled":
            late = make_state(StateType.SCHEDULED, tx.now, name="Late", scheduled_time=run.next_scheduled_start_time)
            runs.enter(tx, run, late)
            marked += 1
        else:
            tx.run(update(due_table).where(due_table.c.flow_run_id == run_id).values(watch_late=False))
    return marked


def _bring_home(tx: Tx, run_ids: Sequence[UUID]) -> None:
    """A queue that was deleted in the moment in which a run was made for it does not take that run along."""
    lost = tx.all(
        select(due_table.c.flow_run_id, work_pools.c.id, work_pools.c.default_queue_id)
        .join(work_pools, work_pools.c.id == due_table.c.work_pool_id)
        .where(
            due_table.c.flow_run_id.in_(sorted(run_ids)),
            ~select(work_queues.c.id).where(work_queues.c.id == due_table.c.work_queue_id).exists(),
        )
    )
    for row in lost:
        for table, key in ((flow_runs, flow_runs.c.id), (due_table, due_table.c.flow_run_id)):
            tx.run(update(table).where(key == row.flow_run_id).values(work_queue_id=row.default_queue_id))
        tx.wake(Dispatch(row.id), tx.now)
