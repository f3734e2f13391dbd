"""/v2/concurrency_limits: limits by name. /concurrency_limits: limits on tags of task runs."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import Body, Response
from fastapi.responses import JSONResponse
from sqlalchemy import Row

from skylift.api import scopes
from skylift.api.deps import PartsDep
from skylift.api.routing import Router
from skylift.errors import NotFoundError
from skylift.models.base import Wire
from skylift.models.limits import (
    TAG,
    ConcurrencyLimit,
    ConcurrencyLimitCreate,
    ConcurrencyLimitUpdate,
    Decrement,
    Holder,
    Increment,
    IncrementWithLease,
    Lease,
    LimitOnTag,
    Release,
    Renewal,
    TagLimit,
    TagLimitCreate,
    TagReset,
    TagSlots,
    TakenLimit,
)
from skylift.store import Tx, limits, tag_limits
from skylift.store.filters import page_of

FOREVER = 100 * 365 * 24 * 60 * 60.0
"""Seconds. Who takes slots of tags through the older routes cannot renew a lease."""

by_name = Router(prefix="/v2/concurrency_limits", tags=["Concurrency limits"])
by_tag = Router(prefix="/concurrency_limits", tags=["Concurrency limits on tags"])


class Page(Wire):
    limit: int | None = None
    offset: int | None = None


PageBody = Annotated[Page, Body(default_factory=Page)]


@by_name.post("/", status_code=201, dependencies=[scopes.NONE])
def create_limit(parts: PartsDep, body: ConcurrencyLimitCreate) -> ConcurrencyLimit:
    return parts.store.transaction(limits.create, body)


@by_name.post("/filter", dependencies=[scopes.SHARED_READ])
def filter_limits(parts: PartsDep, body: PageBody) -> list[ConcurrencyLimit]:
    with parts.store.reading() as tx:
        return limits.view(tx, limits.page(tx, *page_of(body.limit, body.offset)))


@by_name.post("/increment", dependencies=[scopes.SHARED_WRITE], response_model=list[TakenLimit])
def increment(parts: PartsDep, body: Increment) -> list[TakenLimit] | JSONResponse:
    """Take slots until they are given back or have decayed. 423 where there is no room, with when to ask again."""
    taken = parts.store.transaction(limits.take, body.names, body.slots, body.mode)
    return _locked(taken) if isinstance(taken, limits.Denied) else taken.limits


@by_name.post("/increment-with-lease", dependencies=[scopes.SHARED_WRITE], response_model=Lease)
def increment_with_lease(parts: PartsDep, body: IncrementWithLease) -> Lease | JSONResponse:
    """As `increment`, until the lease runs out: a holder that dies keeps nothing."""
    taken = parts.store.transaction(
        limits.take, body.names, body.slots, body.mode, lease_seconds=body.lease_duration, holder=body.holder
    )
    if isinstance(taken, limits.Denied):
        return _locked(taken)
    return Lease(lease_id=taken.lease_id, limits=taken.limits)


def _locked(denied: limits.Denied) -> JSONResponse:
    return JSONResponse(
        {"detail": f"Concurrency limit {denied.limit!r} has no free slots just now"},
        423,
        headers={"Retry-After": str(denied.retry_after)},
    )


@by_name.post("/decrement", dependencies=[scopes.SHARED_WRITE])
def decrement(parts: PartsDep, body: Decrement) -> list[TakenLimit]:
    return parts.store.transaction(limits.give_back, body.names, body.slots, body.occupancy_seconds)


@by_name.post("/decrement-with-lease", status_code=204, dependencies=[scopes.SHARED_WRITE])
def decrement_with_lease(parts: PartsDep, body: Release) -> None:
    parts.store.transaction(limits.release, body.lease_id)


@by_name.post("/leases/{lease_id}/renew", status_code=204, dependencies=[scopes.SHARED_WRITE])
def renew_lease(parts: PartsDep, lease_id: UUID, body: Annotated[Renewal, Body(default_factory=Renewal)]) -> None:
    """Let the lease last on; 410 where it is over."""
    parts.store.transaction(limits.renew, lease_id, body.lease_duration)


@by_name.get("/{id_or_name}", dependencies=[scopes.SHARED_READ])
def read_limit(parts: PartsDep, id_or_name: str) -> ConcurrencyLimit:
    with parts.store.reading() as tx:
        return limits.read(tx, _key(id_or_name))


@by_name.patch("/{id_or_name}", status_code=204, dependencies=[scopes.NONE])
def update_limit(parts: PartsDep, id_or_name: str, body: ConcurrencyLimitUpdate) -> None:
    parts.store.transaction(limits.change, _key(id_or_name), body)


@by_name.delete("/{id_or_name}", status_code=204, dependencies=[scopes.NONE])
def delete_limit(parts: PartsDep, id_or_name: str) -> None:
    parts.store.transaction(limits.remove, _key(id_or_name))


def _key(id_or_name: str) -> UUID | str:
    try:
        return UUID(id_or_name)
    except ValueError:
        return id_or_name


# -- limits on tags ---------------------------------------------------------------------------------------------------


@by_tag.post("/", dependencies=[scopes.NONE])
def create_tag_limit(parts: PartsDep, body: TagLimitCreate, response: Response) -> TagLimit:
    """Limit this tag (201), or give the limit that it has another size (200)."""

    def work(tx: Tx) -> tuple[TagLimit, bool]:
        name = tag_limits.tag_name(body.tag)
        try:
            limits.change(tx, name, ConcurrencyLimitUpdate(limit=body.concurrency_limit))
            made = False
        except NotFoundError:
            limits.create(tx, LimitOnTag(name=name, limit=body.concurrency_limit))
            made = True
        return _tag_limits(tx, [limits.row_of(tx, name)])[0], made

    found, made = parts.store.transaction(work)
    response.status_code = 201 if made else 200
    return found


@by_tag.post("/filter", dependencies=[scopes.SHARED_READ])
def filter_tag_limits(parts: PartsDep, body: PageBody) -> list[TagLimit]:
    with parts.store.reading() as tx:
        return _tag_limits(tx, limits.page(tx, *page_of(body.limit, body.offset), TAG))


@by_tag.post("/increment", dependencies=[scopes.SHARED_WRITE], response_model=list[TakenLimit])
def increment_tags(parts: PartsDep, body: TagSlots) -> list[TakenLimit] | JSONResponse:
    """One slot of each of these tags for a task run; tags without a limit are no hindrance."""
    taken = parts.store.transaction(
        limits.take,
        map(tag_limits.tag_name, body.names),
        1,
        lease_seconds=FOREVER,
        holder=Holder(type="task_run", id=body.task_run_id),
    )
    return _locked(taken) if isinstance(taken, limits.Denied) else taken.limits


@by_tag.post("/decrement", dependencies=[scopes.SHARED_WRITE])
def decrement_tags(parts: PartsDep, body: TagSlots) -> list[TakenLimit]:
    return parts.store.transaction(tag_limits.release_of, map(tag_limits.tag_name, body.names), body.task_run_id)


@by_tag.get("/tag/{tag}", dependencies=[scopes.SHARED_READ])
def read_tag_limit(parts: PartsDep, tag: str) -> TagLimit:
    with parts.store.reading() as tx:
        return _tag_limits(tx, [_of_tag(tx, tag)])[0]


@by_tag.post("/tag/{tag}/reset", dependencies=[scopes.NONE])
def reset_tag_limit(parts: PartsDep, tag: str, body: Annotated[TagReset, Body(default_factory=TagReset)]) -> None:
    """Free all slots of this tag, but for the task runs in `slot_override`."""

    def work(tx: Tx) -> None:
        _of_tag(tx, tag)
        tag_limits.reset(tx, tag_limits.tag_name(tag), body.slot_override or [], FOREVER)

    parts.store.transaction(work)


@by_tag.delete("/tag/{tag}", dependencies=[scopes.NONE])
def delete_tag_limit(parts: PartsDep, tag: str) -> None:
    parts.store.transaction(lambda tx: limits.remove(tx, _of_tag(tx, tag).id))


@by_tag.get("/{limit_id}", dependencies=[scopes.SHARED_READ])
def read_tag_limit_by_id(parts: PartsDep, limit_id: UUID) -> TagLimit:
    with parts.store.reading() as tx:
        return _tag_limits(tx, [_tag_row(tx, limit_id)])[0]


@by_tag.delete("/{limit_id}", dependencies=[scopes.NONE])
def delete_tag_limit_by_id(parts: PartsDep, limit_id: UUID) -> None:
    parts.store.transaction(lambda tx: limits.remove(tx, _tag_row(tx, limit_id).id))


def _of_tag(tx: Tx, tag: str) -> Row[Any]:
    try:
        return limits.row_of(tx, tag_limits.tag_name(tag))
    except NotFoundError:
        raise NotFoundError(f"There is no concurrency limit on the tag {tag!r}") from None


def _tag_row(tx: Tx, limit_id: UUID) -> Row[Any]:
    row = limits.row_of(tx, limit_id)
    if not row.name.startswith(TAG):
        raise NotFoundError(f"The concurrency limit {limit_id} is not one on a tag: see /v2/concurrency_limits")
    return row


def _tag_limits(tx: Tx, rows: list[Row[Any]]) -> list[TagLimit]:
    holding = tag_limits.holders(tx, [row.id for row in rows])
    return [
        TagLimit(
            id=row.id,
            created=row.created,
            updated=row.updated,
            tag=row.name.removeprefix(TAG),
            concurrency_limit=row.limit,
            active_slots=holding[row.id],
        )
        for row in rows
    ]
