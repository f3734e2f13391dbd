"""Runs that wait to be claimed, and the wakeups that they cause."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, bindparam, delete, func, select, update

from skylift.store import prepared
from skylift.store.engine import Tx
from skylift.store.ranges import from_first
from skylift.store.tables import deployments, due, flow_runs, work_pools
from skylift.wakeups import Dispatch

STALE_WAKEUP = timedelta(seconds=30)
"""A wakeup that is overdue by this much was lost, and another may be sent."""
_PLANNED = select(work_pools.c.wakeup_at).where(work_pools.c.id == bindparam("pool_id"))


def entry(run: dict[str, Any]) -> dict[str, Any]:
    """The row of a scheduled run that has a work pool; `run` as in the flow_runs table."""
    return {
        "flow_run_id": run["id"],
        "work_pool_id": run["work_pool_id"],
        "work_queue_id": run["work_queue_id"],
        "deployment_id": run["deployment_id"],
        "due_at": run["next_scheduled_start_time"],
        "watch_late": run["state_name"] == "Scheduled",
    }


def add(tx: Tx, entries: list[dict[str, Any]]) -> None:
    """Let these runs be claimed from their due times on, and see to a wakeup."""
    prepared.add(tx, due, *entries)
    earliest: dict[UUID, datetime] = {}
    for row in entries:
        pool = row["work_pool_id"]
        earliest[pool] = min(row["due_at"], earliest.get(pool, row["due_at"]))
    for pool, at in earliest.items():
        wake_pool(tx, pool, at)


def remove(tx: Tx, flow_run_ids: Iterable[UUID]) -> None:
    """These runs no longer wait."""
    tx.run(delete(due).where(due.c.flow_run_id.in_(list(flow_run_ids))))


def wake_pool(tx: Tx, pool_id: UUID, at: datetime) -> None:
    """See to it that the pool is dispatched at `at`."""
    tx.wake(Dispatch(pool_id), max(at, tx.now))


def planned_wakeup(tx: Tx, pool_id: UUID) -> datetime | None:
    """When the earliest wakeup that is under way comes."""
    planned: datetime | None = tx.conn.execute(_PLANNED, {"pool_id": pool_id}).scalar()
    return planned


def note_wakeup(tx: Tx, pool_id: UUID, at: datetime) -> bool:
    """A wakeup is about to be sent; False where another that comes by then is under way already."""
    planned = work_pools.c.wakeup_at
    at = max(at, tx.now)
    is_free = planned.is_(None) | (planned > at) | (planned <= tx.now - STALE_WAKEUP)
    return tx.run(update(work_pools).where(work_pools.c.id == pool_id, is_free).values(wakeup_at=at)) == 1


def take_wakeup(tx: Tx, pool_id: UUID) -> None:
    """What was under way has come: whoever writes something from now on sends another. One that lies ahead is still to
    come."""
    planned = work_pools.c.wakeup_at
    tx.run(update(work_pools).where(work_pools.c.id == pool_id, planned <= tx.now).values(wakeup_at=None))


def next_due(tx: Tx, pool_id: UUID) -> datetime | None:
    """When the pool's next run is due, be it in the past."""
    return tx.conn.execute(select(func.min(due.c.due_at)).where(due.c.work_pool_id == pool_id)).scalar_one_or_none()


def pools_with_due_runs(tx: Tx) -> list[UUID]:
    """Every pool that has a run whose time has come."""
    rows = tx.all(
        select(work_pools.c.id).where(
            select(due.c.flow_run_id).where(due.c.work_pool_id == work_pools.c.id, due.c.due_at <= tx.now).exists()
        )
    )
    return [row.id for row in rows]


def unmarked_late(tx: Tx, before: datetime, limit: int) -> list[UUID]:
    """Runs that should have started before this instant and are not called Late yet."""
    watched = due.c.watch_late.is_(True)
    rows = tx.all(
        select(due.c.flow_run_id)
        .where(watched, due.c.due_at < before, from_first(due.c.due_at, watched))
        .order_by(due.c.due_at)
        .limit(limit)
    )
    return [row.flow_run_id for row in rows]


def counted(tx: Tx, pool_id: UUID) -> dict[UUID, int]:
    """How many of the pool's runs are due, by queue."""
    rows = tx.all(
        select(due.c.work_queue_id, func.count().label("runs"))
        .where(due.c.work_pool_id == pool_id, due.c.due_at <= tx.now)
        .group_by(due.c.work_queue_id)
    )
    return {row.work_queue_id: row.runs for row in rows}


def ahead_of(tx: Tx, queue_id: UUID, due_at: datetime, flow_run_id: UUID) -> int:
    """How many runs of the queue a claim takes before this one."""
    before = (due.c.due_at < due_at) | ((due.c.due_at == due_at) & (due.c.flow_run_id < flow_run_id))
    query = select(func.count()).select_from(due).where(due.c.work_queue_id == queue_id, before)
    return int(tx.conn.execute(query).scalar_one())


def first(tx: Tx, queue_id: UUID, limit: int = 10) -> list[Row[Any]]:
    """The first runs of a queue in the order of a claim, due or not yet: with their names, states and deployments'
    names."""
    return tx.all(
        select(
            due.c.flow_run_id,
            due.c.due_at,
            due.c.deployment_id,
            flow_runs.c.name,
            flow_runs.c.state_name,
            deployments.c.name.label("deployment_name"),
        )
        .join(flow_runs, flow_runs.c.id == due.c.flow_run_id)
        .outerjoin(deployments, deployments.c.id == due.c.deployment_id)
        .where(due.c.work_queue_id == queue_id)
        .order_by(due.c.due_at, due.c.flow_run_id)
        .limit(limit)
    )
