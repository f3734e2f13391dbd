"""Who holds slots, with the names of what they belong to, in one statement for any number: attempts of pools that we
push to; runs that are Pending or Running in pools that workers pull from."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, null, select

from skylift.models.states import TERMINAL
from skylift.store import pull
from skylift.store.engine import Tx
from skylift.store.tables import attempts, concurrency_leases, deployments, flow_runs, work_queues

MOST = 200

_RUN = (
    flow_runs.c.name.label("flow_run_name"),
    flow_runs.c.state_type,
    flow_runs.c.state_name,
    deployments.c.name.label("deployment_name"),
    work_queues.c.name.label("work_queue_name"),
)
_PUSHED = (
    select(attempts, *_RUN)
    .outerjoin(flow_runs, flow_runs.c.id == attempts.c.flow_run_id)
    .outerjoin(deployments, deployments.c.id == attempts.c.deployment_id)
    .outerjoin(work_queues, work_queues.c.id == attempts.c.work_queue_id)
    .order_by(attempts.c.claimed_at, attempts.c.id)
)
_PULLED = (
    select(
        null().label("id"),
        flow_runs.c.id.label("flow_run_id"),
        flow_runs.c.deployment_id,
        flow_runs.c.state_timestamp.label("claimed_at"),
        null().label("stop_message"),
        *_RUN,
    )
    .outerjoin(deployments, deployments.c.id == flow_runs.c.deployment_id)
    .outerjoin(work_queues, work_queues.c.id == flow_runs.c.work_queue_id)
    .order_by(flow_runs.c.state_timestamp, flow_runs.c.id)
)


def of_pool(tx: Tx, pool: Row[Any], queue_id: UUID | None = None, limit: int = MOST) -> list[Row[Any]]:
    """Those of the pool (or of one of its queues), the oldest first: columns of an attempt, those that pull pools have,
    and names."""
    if pull.is_pull(pool.type):
        held = (flow_runs.c.work_pool_id == pool.id, flow_runs.c.state_type.in_(pull.HOLDING))
        return _found(tx, _PULLED, limit, *held, *_in_queue(flow_runs.c.work_queue_id, queue_id))
    in_queue = _in_queue(attempts.c.work_queue_id, queue_id)
    return _found(tx, _PUSHED, limit, attempts.c.work_pool_id == pool.id, *in_queue)


def of_deployment(tx: Tx, deployment_id: UUID, limit: int = MOST) -> list[Row[Any]]:
    """Those of the deployment's own limit, in all pools and beside them."""
    leased = select(concurrency_leases.c.holder_id).where(
        concurrency_leases.c.limit_id == deployment_id, concurrency_leases.c.expires_at > tx.now
    )
    unfinished = flow_runs.c.state_type.not_in([str(each) for each in TERMINAL])
    found = _found(tx, _PUSHED, limit, attempts.c.deployment_id == deployment_id)
    found += _found(tx, _PULLED, limit, flow_runs.c.id.in_(leased), unfinished)
    return sorted(found, key=lambda row: row.claimed_at)[:limit]


def _in_queue(column: ColumnElement[Any], queue_id: UUID | None) -> tuple[ColumnElement[bool], ...]:
    return () if queue_id is None else (column == queue_id,)


def _found(tx: Tx, query: Select[Any], limit: int, *where: ColumnElement[bool]) -> list[Row[Any]]:
    return tx.all(query.where(*where).limit(limit))
