"""/work_queues: queues by id."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Body
from fastapi.responses import JSONResponse

from skylift.api import scopes, views
from skylift.api.deps import FilterBody, PartsDep
from skylift.api.routing import Router
from skylift.errors import InvalidError
from skylift.models.pools import WorkQueue, WorkQueueCreate, WorkQueueUpdate
from skylift.models.workers import QueueHealth, QueueSlots, QueueSlotsQuery
from skylift.store import pools, slots

router = Router(prefix="/work_queues", tags=["Work queues"])


@router.post("/", status_code=422, dependencies=[scopes.NONE])
def create_work_queue(body: WorkQueueCreate) -> JSONResponse:
    """422: every queue belongs to a pool, and this names none."""
    raise InvalidError(
        f"A work queue belongs to a work pool, and there is no default pool: name one, as in "
        f"`prefect work-queue create {body.name!r} --pool POOL`",
        field="work_pool_name",
    )


@router.get("/name/{name}", dependencies=[scopes.SHARED_READ])
def read_work_queue_by_name(parts: PartsDep, name: str) -> WorkQueue:
    """The queue of this name, where one pool only has one."""
    with parts.store.reading() as tx:
        return views.queues(tx, [pools.only_queue_named(tx, name)], parts.providers)[0]


@router.post("/filter", dependencies=[scopes.SHARED_READ])
def filter_work_queues(parts: PartsDep, body: FilterBody) -> list[WorkQueue]:
    with parts.store.reading() as tx:
        rows = body.rows(tx, "work_queues")
        return views.queues(tx, rows, parts.providers)


@router.get("/{queue_id}", dependencies=[scopes.SHARED_READ])
def read_work_queue(parts: PartsDep, queue_id: UUID) -> WorkQueue:
    with parts.store.reading() as tx:
        return views.queues(tx, [pools.queue_by_id(tx, queue_id)], parts.providers)[0]


@router.patch("/{queue_id}", status_code=204, dependencies=[scopes.NONE])
def update_work_queue(parts: PartsDep, queue_id: UUID, body: WorkQueueUpdate) -> None:
    parts.store.transaction(pools.update_queue, queue_id, body)


@router.delete("/{queue_id}", status_code=204, dependencies=[scopes.NONE])
def delete_work_queue(parts: PartsDep, queue_id: UUID) -> None:
    parts.store.transaction(pools.delete_queue, queue_id)


@router.get("/{queue_id}/status", dependencies=[scopes.SHARED_READ])
def read_work_queue_status(parts: PartsDep, queue_id: UUID) -> QueueHealth:
    """Whether its runs start in time."""
    with parts.store.reading() as tx:
        return slots.health(tx, pools.queue_by_id(tx, queue_id))


@router.post("/{queue_id}/concurrency_status", dependencies=[scopes.READ])
def read_concurrency_status(
    parts: PartsDep, queue_id: UUID, body: Annotated[QueueSlotsQuery, Body(default_factory=QueueSlotsQuery)]
) -> QueueSlots:
    """How many slots are occupied, and by which runs."""
    with parts.store.reading() as tx:
        return slots.of_queue(tx, pools.queue_by_id(tx, queue_id), body)
