"""Rows as the wire shows them: names looked up, states and schedules joined, in a few queries for any number."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, select

from skylift.models.flows import ConcurrencyOptions, Deployment, DeploymentSchedule
from skylift.models.pools import Status, WorkPool, WorkQueue
from skylift.models.runs import FlowRun, Holder
from skylift.registry import Providers
from skylift.store import Tx, deployments, runs
from skylift.store.pools import settings_of
from skylift.store.tables import flow_runs, flows, work_pools, work_queues


def pool(row: Row[Any], providers: Providers) -> WorkPool:
    """A pool that pushes is ready as soon as its provider is installed; nobody has to poll it."""
    status = Status.PAUSED if row.is_paused else Status.READY if row.type in providers else Status.NOT_READY
    values = dict(row._mapping) | {
        "status": status,
        "storage_configuration": row.storage_configuration or {},
        "settings": settings_of(row),
    }
    return WorkPool.model_validate(values)


def queues(tx: Tx, rows: Iterable[Row[Any]], providers: Providers) -> list[WorkQueue]:
    rows = list(rows)
    owners = _by_id(tx, work_pools, {row.work_pool_id for row in rows})
    return [_queue(row, owners[row.work_pool_id], providers) for row in rows]


def _queue(row: Row[Any], owner: Row[Any], providers: Providers) -> WorkQueue:
    status = Status.PAUSED if row.is_paused else Status.READY if owner.type in providers else Status.NOT_READY
    return WorkQueue.model_validate(dict(row._mapping) | {"status": status, "work_pool_name": owner.name})


def deployment_list(tx: Tx, rows: Sequence[Row[Any]], providers: Providers) -> list[Deployment]:
    flow_of = _by_id(tx, flows, {row.flow_id for row in rows})
    pool_of = _by_id(tx, work_pools, {row.work_pool_id for row in rows if row.work_pool_id})
    queue_of = _by_id(tx, work_queues, {row.work_queue_id for row in rows if row.work_queue_id})
    schedules = deployments.schedules_of(tx, [row.id for row in rows])
    found = []
    for row in rows:
        owner, queue = pool_of.get(row.work_pool_id), queue_of.get(row.work_queue_id)
        options = ConcurrencyOptions(collision_strategy=row.collision_strategy) if row.collision_strategy else None
        values = dict(row._mapping) | {
            "flow_name": flow_of[row.flow_id].name if row.flow_id in flow_of else None,
            "work_pool_name": owner.name if owner else None,
            "work_queue_name": queue.name if queue else None,
            "schedules": [DeploymentSchedule.model_validate(each) for each in schedules[row.id]],
            "concurrency_options": options,
            "status": "READY" if owner and owner.type in providers else "NOT_READY",
        }
        found.append(Deployment.model_validate(values))
    return found


def run_list(tx: Tx, rows: Sequence[Row[Any]]) -> list[FlowRun]:
    states = runs.states(tx, [row.state_id for row in rows])
    pool_of = _by_id(tx, work_pools, {row.work_pool_id for row in rows if row.work_pool_id})
    queue_of = _by_id(tx, work_queues, {row.work_queue_id for row in rows if row.work_queue_id})
    found = []
    for row in rows:
        owner, queue = pool_of.get(row.work_pool_id), queue_of.get(row.work_queue_id)
        values = dict(row._mapping) | {
            "state": states.get(row.state_id),
            "work_pool_name": owner.name if owner else None,
            "work_queue_name": queue.name if queue else None,
        }
        found.append(FlowRun.model_validate(values))
    return found


def run(tx: Tx, row: Row[Any]) -> FlowRun:
    return run_list(tx, [row])[0]


def holders(tx: Tx, rows: Sequence[Row[Any]]) -> list[Holder]:
    """Who occupies slots, and since when."""
    run_of = _by_id(tx, flow_runs, {row.flow_run_id for row in rows})
    queue_of = _by_id(tx, work_queues, {row.work_queue_id for row in rows})
    return [
        Holder(
            attempt_id=row.id,
            flow_run_id=row.flow_run_id,
            flow_run_name=run_of[row.flow_run_id].name if row.flow_run_id in run_of else None,
            deployment_id=row.deployment_id,
            work_queue_name=queue_of[row.work_queue_id].name if row.work_queue_id in queue_of else None,
            phase=row.phase,
            since=row.claimed_at,
            stopping=row.stop_message if row.stop else None,
            handle=row.handle,
        )
        for row in rows
    ]


def _by_id(tx: Tx, table: Any, ids: set[UUID]) -> dict[UUID, Row[Any]]:
    return {row.id: row for row in tx.all(select(table).where(table.c.id.in_(ids)))} if ids else {}
