"""What asks for runs instead of being pushed them: workers of pull pools, and processes that serve deployments.

Workers also know a websocket for their heartbeats. It is not served: it tells a worker nothing that its polls do not,
and what Skylift runs on may not hold a connection open. Workers that are refused it use the routes below.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

from fastapi import Body
from sqlalchemy import Row

from skylift.api import scopes, views
from skylift.api.deps import FilterBody, PartsDep
from skylift.api.routing import Router
from skylift.models.runs import FlowRun
from skylift.models.workers import (
    DeploymentsQuery,
    DueQuery,
    Heartbeat,
    ScheduledQuery,
    ScheduledRun,
    Worker,
)
from skylift.store import Tx, pools, pull, runs, workers
from skylift.store.filters import MAX_LIMIT

router = Router(tags=["Workers"])


@router.post("/work_pools/{name}/workers/heartbeat", status_code=204, dependencies=[scopes.DEPLOY])
def record_heartbeat(parts: PartsDep, name: str, body: Heartbeat) -> None:
    parts.store.transaction(lambda tx: workers.heartbeat(tx, pools.by_name(tx, name).id, body))


@router.post("/work_pools/{name}/workers/filter", dependencies=[scopes.SHARED_READ])
def filter_workers(parts: PartsDep, name: str, body: FilterBody) -> list[Worker]:
    with parts.store.reading() as tx:
        return workers.find(tx, pools.by_name(tx, name).id, body.filters, body.limit, body.offset)


@router.delete("/work_pools/{name}/workers/{worker}", status_code=204, dependencies=[scopes.NONE])
def delete_worker(parts: PartsDep, name: str, worker: str) -> None:
    parts.store.transaction(lambda tx: workers.remove(tx, pools.by_name(tx, name).id, worker))


@router.post("/work_pools/{name}/get_scheduled_flow_runs", dependencies=[scopes.READ])
def get_scheduled_flow_runs(
    parts: PartsDep, name: str, body: Annotated[ScheduledQuery, Body(default_factory=ScheduledQuery)]
) -> list[ScheduledRun]:
    """What waits in the pool: by queue priority, then by time; of a pool that workers pull from only as many as there
    are slots for. Reading claims nothing."""
    with parts.store.reading() as tx:
        pool = pools.by_name(tx, name)
        named = [pools.queue_by_name(tx, name, queue) for queue in body.work_queue_names or []]
        queues = named or pools.queues_of(tx, pool.id)
        found = views.run_list(tx, _waiting(tx, pool, queues, body))
        unnoted = pull.unnoted(tx, queues) if pull.is_pull(pool.type) else []
    if unnoted:
        parts.store.transaction(pull.note_polls, unnoted)
    return [ScheduledRun(work_pool_id=pool.id, work_queue_id=_queue_of(run), flow_run=run) for run in found]


def _waiting(tx: Tx, pool: Row[Any], queues: Sequence[Row[Any]], query: ScheduledQuery) -> list[Row[Any]]:
    limit = MAX_LIMIT if query.limit is None else query.limit
    before, after = query.scheduled_before, query.scheduled_after
    if pull.is_pull(pool.type):
        return pull.scheduled(tx, pool, queues, before=before, after=after, limit=limit)
    if pool.is_paused:
        return []
    ids = [queue.id for queue in queues]
    return runs.waiting(tx, pool.id, queues=ids, before=before, after=after, limit=limit)


def _queue_of(run: FlowRun) -> UUID:
    assert run.work_queue_id  # noqa: S101 - it was found in a queue
    return run.work_queue_id


@router.post("/work_queues/{queue_id}/get_runs", dependencies=[scopes.READ])
def get_runs_in_queue(
    parts: PartsDep, queue_id: UUID, body: Annotated[DueQuery, Body(default_factory=DueQuery)]
) -> list[FlowRun]:
    """What waits in one queue."""
    query = ScheduledQuery(scheduled_before=body.scheduled_before, limit=body.limit)
    with parts.store.reading() as tx:
        queue = pools.queue_by_id(tx, queue_id)
        pool = pools.by_id(tx, queue.work_pool_id)
        found = views.run_list(tx, _waiting(tx, pool, [queue], query))
        unnoted = pull.unnoted(tx, [queue]) if pull.is_pull(pool.type) else []
    if unnoted:
        parts.store.transaction(pull.note_polls, unnoted)
    return found


@router.post("/deployments/get_scheduled_flow_runs", dependencies=[scopes.READ])
def get_scheduled_runs_of_deployments(parts: PartsDep, body: DeploymentsQuery) -> list[FlowRun]:
    """Runs of these deployments that wait to be started, the earliest first: what a serving process asks for."""
    limit = MAX_LIMIT if body.limit is None else body.limit
    with parts.store.reading() as tx:
        found = views.run_list(tx, pull.of_deployments(tx, body.deployment_ids, body.scheduled_before, limit))
        unnoted = pull.unnoted_deployments(tx, body.deployment_ids)
    if unnoted:
        parts.store.transaction(pull.note_deployment_polls, unnoted)
    return found
