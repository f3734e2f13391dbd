"""Rows as the wire shows them: names looked up, states and schedules joined, in a few queries for any number."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row

from skylift.models.flows import ConcurrencyOptions, Deployment, DeploymentLimit, DeploymentSchedule
from skylift.models.pools import Status, WorkPool, WorkQueue
from skylift.models.runs import FlowRun
from skylift.registry import Providers
from skylift.store import Tx, deployment_slots, deployments, prepared, pull, run_times, runs, shown, slots, workers
from skylift.store.pools import settings_of
from skylift.store.tables import work_pools


def pools(tx: Tx, rows: Iterable[Row[Any]], providers: Providers) -> list[WorkPool]:
    """A pool that pushes is ready as soon as its provider is installed; nobody has to poll it. One that workers pull
    from is ready while one of them is there."""
    rows = list(rows)
    used = slots.by_pool(tx, [row for row in rows if row.concurrency_limit is not None])
    in_touch = workers.pools_in_touch(tx, [row.id for row in rows if row.type not in providers])
    return [
        WorkPool.model_validate(
            dict(row._mapping)
            | {
                "status": _status(row, is_ready=row.type in providers or row.id in in_touch),
                "active_slots": sum(used[row.id].values()) if row.id in used else None,
                "storage_configuration": row.storage_configuration or {},
                "settings": settings_of(row),
            }
        )
        for row in rows
    ]


def _status(row: Row[Any], *, is_ready: bool) -> Status:
    return Status.PAUSED if row.is_paused else Status.READY if is_ready else Status.NOT_READY


def queues(tx: Tx, rows: Iterable[Row[Any]], providers: Providers) -> list[WorkQueue]:
    rows = list(rows)
    owners = prepared.by_id(tx, work_pools, {row.work_pool_id for row in rows})
    limited = {row.work_pool_id for row in rows if row.concurrency_limit is not None}
    used = slots.by_pool(tx, [owners[each] for each in sorted(limited)])
    return [_queue(tx, row, owners[row.work_pool_id], providers, used.get(row.work_pool_id, {})) for row in rows]


def _queue(tx: Tx, row: Row[Any], owner: Row[Any], providers: Providers, used: dict[UUID, int]) -> WorkQueue:
    status = _status(row, is_ready=owner.type in providers or pull.was_polled(tx, row.last_polled))
    taken = None if row.concurrency_limit is None else used.get(row.id, 0)
    values = dict(row._mapping) | {"status": status, "work_pool_name": owner.name, "active_slots": taken}
    return WorkQueue.model_validate(values)


def deployment_list(tx: Tx, rows: Sequence[Row[Any]], providers: Providers) -> list[Deployment]:
    beside = shown.of_deployments(tx, rows)
    schedules = deployments.schedules_of(tx, [row.id for row in rows])
    limits = _limits(tx, rows)
    found = []
    for row in rows:
        known = beside[row.id]
        options = ConcurrencyOptions(collision_strategy=row.collision_strategy) if row.collision_strategy else None
        values = dict(row._mapping) | {
            "flow_name": known.flow_name,
            "work_pool_name": known.work_pool_name,
            "work_queue_name": known.work_queue_name,
            "schedules": [DeploymentSchedule.model_validate(each) for each in schedules[row.id]],
            "concurrency_options": options,
            "global_concurrency_limit": limits.get(row.id),
            "last_polled": max((at for at in (known.last_polled, known.queue_polled) if at), default=None),
            "status": "READY" if _starts(tx, known, providers) else "NOT_READY",
        }
        found.append(Deployment.model_validate(values))
    return found


def _limits(tx: Tx, rows: Sequence[Row[Any]]) -> dict[UUID, DeploymentLimit]:
    """The limits of those of these deployments that have one, and how much of them is taken."""
    limited = [row for row in rows if row.concurrency_limit is not None]
    taken = deployment_slots.occupied(tx, [row.id for row in limited])
    return {
        row.id: DeploymentLimit(
            id=row.id,
            created=row.created,
            updated=row.updated,
            name=f"deployment:{row.id}",
            limit=row.concurrency_limit,
            active_slots=taken[row.id],
        )
        for row in limited
    }


def _starts(tx: Tx, known: Row[Any], providers: Providers) -> bool:
    """Whether somebody starts what is due there: we do, or a process or a worker asks for it."""
    if known.work_pool_type is not None and known.work_pool_type in providers:
        return True
    return pull.was_polled(tx, known.last_polled) or pull.was_polled(tx, known.queue_polled)


def run_list(tx: Tx, rows: Sequence[Row[Any]]) -> list[FlowRun]:
    beside = shown.of_runs(tx, rows)
    found = []
    for row in rows:
        known = beside.get(row.state_id)
        values = dict(row._mapping) | {
            "state": runs.state_of(known) if known else None,
            "estimated_run_time": run_times.estimated_run_time(row, tx.now),
            "estimated_start_time_delta": run_times.lateness(row, tx.now),
            "work_pool_name": known.work_pool_name if known else None,
            "work_queue_name": known.work_queue_name if known else None,
        }
        found.append(FlowRun.model_validate(values))
    return found


def run(tx: Tx, row: Row[Any]) -> FlowRun:
    return run_list(tx, [row])[0]
