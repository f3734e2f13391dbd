"""/work_queues: queues by id."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter

from skylift.api import scopes, views
from skylift.api.deps import FilterBody, PartsDep
from skylift.models.pools import WorkQueue, WorkQueueUpdate
from skylift.store import pools
from skylift.store.filters import select_filtered

router = APIRouter(prefix="/work_queues", tags=["Work queues"])


@router.post("/filter", dependencies=[scopes.SHARED_READ])
def filter_work_queues(parts: PartsDep, body: FilterBody) -> list[WorkQueue]:
    with parts.store.reading() as tx:
        rows = tx.all(select_filtered("work_queues", body.filters, body.sort, body.limit, body.offset))
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
