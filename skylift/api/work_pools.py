"""/work_pools: pools and their queues by name."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Body

from skylift import check, collections
from skylift.api import scopes, views
from skylift.api.deps import FilterBody, PartsDep
from skylift.api.routing import Router
from skylift.models.pools import WorkPool, WorkPoolCreate, WorkPoolUpdate, WorkQueue, WorkQueueCreate, WorkQueueUpdate
from skylift.models.workers import PoolSlots, PoolSlotsQuery
from skylift.parts import Parts
from skylift.provider import Finding
from skylift.store import Tx, pools, slots
from skylift.store.filters import select_filtered
from skylift.store.tables import work_queues

router = Router(prefix="/work_pools", tags=["Work pools"])


@router.post("/", status_code=201, dependencies=[scopes.NONE])
def create_work_pool(parts: PartsDep, body: WorkPoolCreate) -> WorkPool:
    if not body.base_job_template:
        body.base_job_template = collections.base_job_template(parts.providers, body.type) or {}
    row = parts.store.transaction(pools.create, body)
    with parts.store.reading() as tx:
        return views.pools(tx, [row], parts.providers)[0]


@router.post("/filter", dependencies=[scopes.SHARED_READ])
def filter_work_pools(parts: PartsDep, body: FilterBody) -> list[WorkPool]:
    with parts.store.reading() as tx:
        rows = body.rows(tx, "work_pools")
        return views.pools(tx, rows, parts.providers)


@router.post("/count", dependencies=[scopes.SHARED_READ])
def count_work_pools(parts: PartsDep, body: FilterBody) -> int:
    with parts.store.reading() as tx:
        return body.count(tx, "work_pools")


@router.get("/{name}", dependencies=[scopes.SHARED_READ])
def read_work_pool(parts: PartsDep, name: str) -> WorkPool:
    with parts.store.reading() as tx:
        return views.pools(tx, [pools.by_name(tx, name)], parts.providers)[0]


@router.patch("/{name}", status_code=204, dependencies=[scopes.NONE])
def update_work_pool(parts: PartsDep, name: str, body: WorkPoolUpdate) -> None:
    parts.store.transaction(pools.update_pool, name, body)


@router.delete("/{name}", status_code=204, dependencies=[scopes.NONE])
def delete_work_pool(parts: PartsDep, name: str) -> None:
    parts.store.transaction(pools.delete_pool, name)


@router.get("/{name}/check", dependencies=[scopes.DEPLOY])
def check_work_pool(parts: PartsDep, name: str) -> list[Finding]:
    """Whether runs of this pool would start, found by reading only; asks its provider, which may take seconds."""
    return check.check(parts, name)


@router.post("/{name}/concurrency_status", dependencies=[scopes.READ])
def read_concurrency_status(
    parts: PartsDep, name: str, body: Annotated[PoolSlotsQuery, Body(default_factory=PoolSlotsQuery)]
) -> PoolSlots:
    """How many slots are occupied, by queue, and by which runs."""
    with parts.store.reading() as tx:
        return slots.of_pool(tx, pools.by_name(tx, name), body)


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


@router.patch("/{name}/queues/{queue}", status_code=204, dependencies=[scopes.NONE])
def update_work_queue(parts: PartsDep, name: str, queue: str, body: WorkQueueUpdate) -> None:
    def work(tx: Tx) -> None:
        pools.update_queue(tx, pools.queue_by_name(tx, name, queue).id, body)

    parts.store.transaction(work)


@router.delete("/{name}/queues/{queue}", status_code=204, dependencies=[scopes.NONE])
def delete_work_queue(parts: PartsDep, name: str, queue: str) -> None:
    def work(tx: Tx) -> None:
        pools.delete_queue(tx, pools.queue_by_name(tx, name, queue).id)

    parts.store.transaction(work)


def _queue(parts: Parts, row: Any) -> WorkQueue:
    with parts.store.reading() as tx:
        return views.queues(tx, [row], parts.providers)[0]
