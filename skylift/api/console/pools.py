"""/skylift/work_pools: who holds a pool's slots, what waits and why, its quota, and what its template renders."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row

from skylift import preview
from skylift.api import scopes, views
from skylift.api.deps import PartsDep
from skylift.api.tagged import TaggedRouter
from skylift.check import links_of
from skylift.explain import Place, in_queue
from skylift.models.console.pools import (
    DraftPreviewRequest,
    OccupiedSlot,
    PoolView,
    PreviewRequest,
    QuotaView,
    SlotsView,
    TemplatePreview,
)
from skylift.models.console.waiting import QueueView, WaitingRun, WaitingView
from skylift.parts import Parts
from skylift.store import deployments, due, holders, pools, pull, quota
from skylift.store.run_rows import named

router = TaggedRouter(prefix="/skylift/work_pools", tags=["Console"])
drafts = TaggedRouter(prefix="/skylift", tags=["Console"])


@router.get("/{name}", dependencies=[scopes.NONE])
def read_pool_page(parts: PartsDep, name: str) -> PoolView:
    """All that the page of a pool shows at once."""
    with parts.store.reading() as tx:
        pool = pools.by_name(tx, name)
        place = Place(tx, pool, parts.providers)
        return PoolView(
            pool=views.pools(tx, [pool], parts.providers)[0],
            slots=_slots(parts, place),
            queues=_queues(place),
            quota=_quota(place),
        )


@router.get("/{name}/slots", dependencies=[scopes.NONE])
def read_slots(parts: PartsDep, name: str) -> SlotsView:
    """Who occupies the pool's slots, the oldest first."""
    with parts.store.reading() as tx:
        return _slots(parts, Place(tx, pools.by_name(tx, name), parts.providers))


@router.get("/{name}/waiting", dependencies=[scopes.NONE])
def read_waiting(parts: PartsDep, name: str) -> WaitingView:
    """What is due in each of the pool's queues, and why the first run of each does not start."""
    with parts.store.reading() as tx:
        place = Place(tx, pools.by_name(tx, name), parts.providers)
        return WaitingView(work_pool=place.pool.name, queues=_queues(place))


@router.get("/{name}/quota", dependencies=[scopes.NONE])
def read_quota(parts: PartsDep, name: str) -> QuotaView:
    """What the pool's provider allows for launches, and how much of that is left."""
    with parts.store.reading() as tx:
        return _quota(Place(tx, pools.by_name(tx, name), parts.providers))


@router.post("/{name}/template/preview", dependencies=[scopes.DEPLOY])
def preview_template(parts: PartsDep, name: str, body: PreviewRequest) -> TemplatePreview:
    """Render the pool's base job template, or a draft of it, with these job variables; nothing is saved or run. What
    is wrong is in the answer, by its place."""
    with parts.store.reading() as tx:
        deployment = deployments.by_id(tx, body.deployment_id) if body.deployment_id else None
        return preview.of_pool(parts, tx, pools.by_name(tx, name), deployment, body)


@drafts.post("/template/preview", dependencies=[scopes.DEPLOY])
def preview_draft(parts: PartsDep, body: DraftPreviewRequest) -> TemplatePreview:
    """Render a base job template before there is a pool that has it; nothing is saved or run. What is wrong is in the
    answer, by its place."""
    with parts.store.reading() as tx:
        return preview.of_draft(parts, tx, body)


def _slots(parts: Parts, place: Place) -> SlotsView:
    rows = holders.of_pool(place.tx, place.pool)
    return SlotsView(
        work_pool=place.pool.name,
        concurrency_limit=place.pool.concurrency_limit,
        occupied=sum(place.occupied.values()),
        slots=[_slot(parts, row, is_pushed=not pull.is_pull(place.pool.type)) for row in rows],
    )


def _slot(parts: Parts, row: Row[Any], *, is_pushed: bool) -> OccupiedSlot:
    known = dict(row._mapping)
    if is_pushed:
        known |= {"links": links_of(parts, row), "stopping": row.stop_message}
    kept = {name: value for name, value in known.items() if name in OccupiedSlot.model_fields}
    return OccupiedSlot.model_validate(
        kept
        | {
            "attempt_id": row.id,
            "since": row.claimed_at,
            "deployment": named(row.deployment_id, row.deployment_name),
        }
    )


def _queues(place: Place) -> list[QueueView]:
    return [_queue(place, queue) for queue in place.queues]


def _queue(place: Place, queue: Row[Any]) -> QueueView:
    first = due.first(place.tx, queue.id)
    is_due = [row for row in first if row.due_at <= place.tx.now]
    return QueueView(
        id=queue.id,
        name=queue.name,
        description=queue.description,
        priority=queue.priority,
        is_paused=queue.is_paused,
        concurrency_limit=queue.concurrency_limit,
        occupied=place.occupied.get(queue.id, 0),
        due=place.due.get(queue.id, 0),
        next_due=first[0].due_at if first else None,
        waiting=in_queue(place, queue, is_due[0].deployment_id, 0) if is_due else None,
        first=[
            WaitingRun(
                id=row.flow_run_id,
                name=row.name,
                deployment=named(row.deployment_id, row.deployment_name),
                state_name=row.state_name,
                due_at=row.due_at,
            )
            for row in is_due
        ],
    )


def _quota(place: Place) -> QuotaView:
    tx, pool, bucket = place.tx, place.pool, place.bucket
    if not bucket:
        return QuotaView(work_pool=pool.name)
    return QuotaView(
        work_pool=pool.name,
        key=bucket.key,
        shared_with=quota.shared_with(tx, pool, bucket.key),
        rate=bucket.rate,
        burst=bucket.burst,
        left=bucket.left,
        next_at=bucket.next_at,
        throttled_last_hour=quota.throttled(tx, bucket.key),
    )
