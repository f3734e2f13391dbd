"""Who holds the slots of pools and queues. Of a pool that we push to that is its attempts; in a pool that workers pull
from it is the runs that are Pending or Running, as those workers' own servers count."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, func, select, union_all

from skylift.models.states import StateType
from skylift.models.workers import (
    HealthPolicy,
    PoolSlots,
    PoolSlotsQuery,
    QueueHealth,
    QueueSlots,
    QueueSlotsInPool,
    QueueSlotsQuery,
    SlotHolder,
)
from skylift.store import attempts, pools, pull
from skylift.store.engine import Tx
from skylift.store.filters import MAX_LIMIT
from skylift.store.tables import attempts as attempts_table
from skylift.store.tables import flow_runs


def by_queue(tx: Tx, pool: Row[Any]) -> dict[UUID, int]:
    """How many slots each queue of the pool occupies."""
    return pull.occupied(tx, pool.id) if pull.is_pull(pool.type) else attempts.occupied_by_queue(tx, pool.id)


def by_pool(tx: Tx, pool_rows: Iterable[Row[Any]]) -> dict[UUID, dict[UUID, int]]:
    """How many slots each queue of these pools occupies, by pool and queue, in one query for any number."""
    pulled: dict[bool, list[UUID]] = {True: [], False: []}
    found: dict[UUID, dict[UUID, int]] = {}
    for pool in pool_rows:
        pulled[pull.is_pull(pool.type)].append(pool.id)
        found[pool.id] = {}
    if not found:
        return found
    each, waits = attempts_table.c, flow_runs.c
    pushed = select(each.work_pool_id, each.work_queue_id).where(each.work_pool_id.in_(pulled[False]))
    taken = select(waits.work_pool_id, waits.work_queue_id).where(
        waits.work_pool_id.in_(pulled[True]), waits.state_type.in_(pull.HOLDING)
    )
    held = union_all(*[query for query, ids in ((pushed, pulled[False]), (taken, pulled[True])) if ids]).subquery()
    counted = select(held.c.work_pool_id, held.c.work_queue_id, func.count().label("slots"))
    for row in tx.all(counted.group_by(held.c.work_pool_id, held.c.work_queue_id)):
        found[row.work_pool_id][row.work_queue_id] = row.slots
    return found


def holders(tx: Tx, pool: Row[Any], queue_id: UUID, limit: int, offset: int = 0) -> list[SlotHolder]:
    """The runs that hold slots of this queue, the first first. One that was deleted may hold a slot and is not here."""
    if pull.is_pull(pool.type):
        query = select(flow_runs).where(
            flow_runs.c.work_pool_id == pool.id,
            flow_runs.c.work_queue_id == queue_id,
            flow_runs.c.state_type.in_(pull.HOLDING),
        )
        query = query.order_by(flow_runs.c.state_timestamp, flow_runs.c.id)
    else:
        query = (
            select(flow_runs)
            .join(attempts_table, attempts_table.c.flow_run_id == flow_runs.c.id)
            .where(attempts_table.c.work_pool_id == pool.id, attempts_table.c.work_queue_id == queue_id)
            .order_by(attempts_table.c.claimed_at, attempts_table.c.id)
        )
    return [_holder(tx, row) for row in tx.all(query.limit(limit).offset(offset))] if limit else []


def _holder(tx: Tx, run: Row[Any]) -> SlotHolder:
    since = max(timedelta(0), tx.now - run.state_timestamp)
    return SlotHolder.model_validate({**run._mapping, "time_in_current_state": since})


def of_pool(tx: Tx, pool: Row[Any], query: PoolSlotsQuery) -> PoolSlots:
    """All slots of a pool, by queue."""
    used = by_queue(tx, pool)
    limit = MAX_LIMIT if query.limit is None else query.limit
    queues = pools.queues_of(tx, pool.id)
    first = (query.page - 1) * limit
    return PoolSlots(
        active_slots=sum(used.values()),
        concurrency_limit=pool.concurrency_limit,
        queues=[
            QueueSlotsInPool(
                queue_id=queue.id,
                queue_name=queue.name,
                active_slots=used.get(queue.id, 0),
                concurrency_limit=queue.concurrency_limit,
                flow_runs=holders(tx, pool, queue.id, query.flow_run_limit),
                flow_run_count=used.get(queue.id, 0),
            )
            for queue in queues[first : first + limit]
        ],
        count=len(queues),
        limit=limit,
        pages=_pages(len(queues), limit),
        page=query.page,
    )


def of_queue(tx: Tx, queue: Row[Any], query: QueueSlotsQuery) -> QueueSlots:
    """The slots of one queue."""
    pool = pools.by_id(tx, queue.work_pool_id)
    used = by_queue(tx, pool).get(queue.id, 0)
    limit = MAX_LIMIT if query.limit is None else query.limit
    return QueueSlots(
        active_slots=used,
        concurrency_limit=queue.concurrency_limit,
        flow_runs=holders(tx, pool, queue.id, limit, (query.page - 1) * limit),
        count=used,
        limit=limit,
        pages=_pages(used, limit),
        page=query.page,
    )


def _pages(count: int, limit: int) -> int:
    return -(-count // limit) if limit else 0


def health(tx: Tx, queue: Row[Any]) -> QueueHealth:
    """Whether all runs of the queue start in time; of one that is pulled from, also whether somebody pulls."""
    late = tx.conn.execute(
        select(func.count())
        .select_from(flow_runs)
        .where(
            flow_runs.c.work_queue_id == queue.id,
            flow_runs.c.state_type == str(StateType.SCHEDULED),
            flow_runs.c.state_name == "Late",
        )
    ).scalar_one()
    pulled = pull.is_pull(pools.by_id(tx, queue.work_pool_id).type)
    return QueueHealth(
        healthy=not late and (not pulled or pull.was_polled(tx, queue.last_polled)),
        late_runs_count=late,
        last_polled=queue.last_polled,
        health_check_policy=HealthPolicy(
            maximum_late_runs=0,
            maximum_seconds_since_last_polled=int(pull.POLL_SILENCE.total_seconds()) if pulled else None,
        ),
    )
