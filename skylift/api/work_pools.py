"""/work_pools: pools and their queues by name."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Body
from pydantic import BaseModel, Field

from skylift.api import scopes, views
from skylift.api.deps import FilterBody, PartsDep
from skylift.models.base import Instant, Wire
from skylift.models.pools import WorkPool, WorkPoolCreate, WorkPoolUpdate, WorkQueue, WorkQueueCreate
from skylift.models.runs import FlowRun, Holder
from skylift.parts import Parts
from skylift.store import attempts, pools, runs
from skylift.store.filters import count_filtered, select_filtered
from skylift.store.tables import work_queues

router = APIRouter(prefix="/work_pools", tags=["Work pools"])


@router.post("/", status_code=201, dependencies=[scopes.NONE])
def create_work_pool(parts: PartsDep, body: WorkPoolCreate) -> WorkPool:
    if not body.base_job_template and body.type in parts.providers:
        body.base_job_template = parts.providers.get(body.type).base_job_template()
    return views.pool(parts.store.transaction(pools.create, body), parts.providers)


@router.post("/filter", dependencies=[scopes.SHARED_READ])
def filter_work_pools(parts: PartsDep, body: FilterBody) -> list[WorkPool]:
    with parts.store.reading() as tx:
        rows = tx.all(select_filtered("work_pools", body.filters, body.sort, body.limit, body.offset))
        return [views.pool(row, parts.providers) for row in rows]


@router.post("/count", dependencies=[scopes.SHARED_READ])
def count_work_pools(parts: PartsDep, body: FilterBody) -> int:
    with parts.store.reading() as tx:
        return int(tx.conn.execute(count_filtered("work_pools", body.filters)).scalar_one())


@router.get("/{name}", dependencies=[scopes.SHARED_READ])
def read_work_pool(parts: PartsDep, name: str) -> WorkPool:
    with parts.store.reading() as tx:
        return views.pool(pools.by_name(tx, name), parts.providers)


@router.patch("/{name}", status_code=204, dependencies=[scopes.NONE])
def update_work_pool(parts: PartsDep, name: str, body: WorkPoolUpdate) -> None:
    parts.store.transaction(pools.update_pool, name, body)


@router.delete("/{name}", status_code=204, dependencies=[scopes.NONE])
def delete_work_pool(parts: PartsDep, name: str) -> None:
    parts.store.transaction(pools.delete_pool, name)


class ScheduledQuery(Wire):
    work_queue_names: list[str] | None = None
    scheduled_before: Instant | None = None
    scheduled_after: Instant | None = None
    limit: Annotated[int, Field(ge=0, le=200)] | None = None


class ScheduledRun(BaseModel):
    work_pool_id: Any
    work_queue_id: Any
    flow_run: FlowRun


@router.post("/{name}/get_scheduled_flow_runs", dependencies=[scopes.NONE])
def get_scheduled_flow_runs(
    parts: PartsDep, name: str, body: Annotated[ScheduledQuery, Body(default_factory=ScheduledQuery)]
) -> list[ScheduledRun]:
    """What waits in the pool: by queue priority, then by time. Reading claims nothing."""
    with parts.store.reading() as tx:
        pool = pools.by_name(tx, name)
        if pool.is_paused:
            return []
        named = [pools.queue_by_name(tx, name, queue).id for queue in body.work_queue_names or []]
        rows = runs.waiting(
            tx,
            pool.id,
            queues=named or None,
            before=body.scheduled_before,
            after=body.scheduled_after,
            limit=200 if body.limit is None else body.limit,
        )
        return [
            ScheduledRun(work_pool_id=pool.id, work_queue_id=run.work_queue_id, flow_run=run)
            for run in views.run_list(tx, rows)
        ]


@router.get("/{name}/slots", dependencies=[scopes.NONE])
def read_slots(parts: PartsDep, name: str) -> list[Holder]:
    """Who occupies the pool's slots."""
    with parts.store.reading() as tx:
        return views.holders(tx, attempts.in_pool(tx, pools.by_name(tx, name).id))


@router.post("/{name}/workers/filter", dependencies=[scopes.SHARED_READ])
def filter_workers(parts: PartsDep, name: str) -> list[dict[str, datetime]]:
    """Push pools have no workers."""
    with parts.store.reading() as tx:
        pools.by_name(tx, name)
    return []


# -- queues of a pool -------------------------------------------------------------------------------------------------


@router.post("/{name}/queues", status_code=201, dependencies=[scopes.NONE])
def create_work_queue(parts: PartsDep, name: str, body: WorkQueueCreate) -> WorkQueue:
    row = parts.store.transaction(pools.create_queue, name, body)
    return _queue(parts, row)


@router.post("/{name}/queues/filter", dependencies=[scopes.SHARED_READ])
def filter_work_queues(parts: PartsDep, name: str, body: FilterBody) -> list[WorkQueue]:
    """Queues of this pool, the highest priority first where no other sort is asked for."""
    with parts.store.reading() as tx:
        wanted = select_filtered("work_queues", body.filters, body.sort, body.limit, body.offset)
        rows = tx.all(wanted.where(work_queues.c.work_pool_id == pools.by_name(tx, name).id))
        return views.queues(tx, rows, parts.providers)


@router.get("/{name}/queues/{queue}", dependencies=[scopes.SHARED_READ])
def read_work_queue(parts: PartsDep, name: str, queue: str) -> WorkQueue:
    with parts.store.reading() as tx:
        return views.queues(tx, [pools.queue_by_name(tx, name, queue)], parts.providers)[0]


def _queue(parts: Parts, row: Any) -> WorkQueue:
    with parts.store.reading() as tx:
        return views.queues(tx, [row], parts.providers)[0]
