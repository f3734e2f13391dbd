"""Why a run does not start: the first reason that holds, in the order in which a claim looks."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row, func, select

from skylift.models.states import StateType
from skylift.store import Tx, attempts, deployment_slots, deployments, pools
from skylift.store.tables import due, work_queues


def waiting_for(tx: Tx, run: Row[Any]) -> str | None:
    """A sentence, or None where the run does not wait to be claimed."""
    if run.state_type != StateType.SCHEDULED:
        return None
    if not run.work_pool_id:
        return "It belongs to no work pool, so nothing starts it"
    attempt = attempts.of_run(tx, run.id)
    if attempt:
        return f"An earlier attempt still holds its slot: {attempt.stop_message or attempt.phase}"
    when = run.next_scheduled_start_time
    if when and when > tx.now:
        return f"Its time has not come: {when.isoformat()}"
    pool, queue = pools.by_id(tx, run.work_pool_id), pools.queue_by_id(tx, run.work_queue_id)
    if pool.is_paused:
        return f"Work pool {pool.name!r} is paused"
    if queue.is_paused:
        return f"Work queue {queue.name!r} is paused"
    occupied = attempts.occupied_by_queue(tx, pool.id)
    return (
        _full("Work pool", pool, sum(occupied.values()))
        or _full("Work queue", queue, occupied.get(queue.id, 0))
        or _deployment_full(tx, run)
        or _behind(tx, queue)
        or "It is next: the next dispatch takes it"
    )


def _full(what: str, row: Row[Any], used: int) -> str | None:
    if row.concurrency_limit is None or used < row.concurrency_limit:
        return None
    return f"{what} {row.name!r} is at its limit: {used} of {row.concurrency_limit} slots are occupied"


def _deployment_full(tx: Tx, run: Row[Any]) -> str | None:
    deployment = deployments.find(tx, run.deployment_id)
    if not deployment or deployment.concurrency_limit is None:
        return None
    return _full("Deployment", deployment, deployment_slots.occupied(tx, [deployment.id])[deployment.id])


def _behind(tx: Tx, queue: Row[Any]) -> str | None:
    """Runs of queues with a higher priority go first."""
    before = tx.conn.execute(
        select(func.count())
        .select_from(due.join(work_queues, work_queues.c.id == due.c.work_queue_id))
        .where(
            due.c.work_pool_id == queue.work_pool_id,
            due.c.due_at <= tx.now,
            work_queues.c.priority < queue.priority,
            work_queues.c.is_paused.is_(False),
        )
    ).scalar_one()
    return f"{before} runs in queues of higher priority go first" if before else None
