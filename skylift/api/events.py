"""/events: what happened. Sent in batches, and asked for; `event_streams` has the websockets."""

from __future__ import annotations

import base64
import json
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import Body, Query, Request

from skylift.api import scopes
from skylift.api.callers import Caller, CallerDep
from skylift.api.deps import PartsDep
from skylift.api.routing import Router
from skylift.errors import InvalidError
from skylift.models.event_filters import EventFilter
from skylift.models.events import Event, EventCount, EventPage
from skylift.parts import Parts
from skylift.store import Tx, event_counts, event_sight, events
from skylift.store.event_counts import Countable, TimeUnit
from skylift.store.events import Position

PAGE, MAX_PAGE = 50, 200
MAX_POST = 5_000
"""Events in one posted batch."""
AT_ONCE = 500
"""Events that are stored in one transaction."""

router = Router(prefix="/events", tags=["Events"])


@router.post("", status_code=204, dependencies=[scopes.own_by_body(after_end=True)])
def create_events(parts: PartsDep, caller: CallerDep, body: Annotated[list[Event], Body(max_length=MAX_POST)]) -> None:
    """Keep a batch; what is known already is left out, and so is what a run says of runs that are not its own."""
    for start in range(0, len(body), AT_ONCE):
        parts.store.transaction(store, caller, body[start : start + AT_ONCE])


def store(tx: Tx, caller: Caller, batch: list[Event]) -> None:
    """Keep what the caller may say."""
    if caller.flow_run_id:
        batch = event_sight.own(tx, caller.flow_run_id, batch)
    events.append(tx, batch, caller.flow_run_id)


@router.post("/filter", dependencies=[scopes.SHARED_READ])
def filter_events(
    parts: PartsDep,
    caller: CallerDep,
    request: Request,
    filter: Annotated[EventFilter | None, Body()] = None,  # noqa: A002 - the wire's name
    limit: Annotated[int, Body(ge=0, le=MAX_PAGE)] = PAGE,
) -> EventPage:
    """The newest first, or as the filter's order says. A run sees those of its own runs."""
    return _page(parts, caller, request, filter or EventFilter(), limit, None)


@router.get("/filter/next", dependencies=[scopes.SHARED_READ])
def read_next_page(
    parts: PartsDep, caller: CallerDep, request: Request, token: Annotated[str, Query(alias="page-token")]
) -> EventPage:
    """The page after the one whose `next_page` brought you here."""
    return _page(parts, caller, request, *_read_token(token))


def _page(
    parts: Parts, caller: Caller, request: Request, wanted: EventFilter, limit: int, after: Position | None
) -> EventPage:
    with parts.store.reading() as tx:
        page = events.find(tx, wanted, limit, after, event_sight.of(tx, caller.flow_run_id))
        total = events.count(tx, wanted) if not caller.is_run else len(page.events)
    more = page.end and f"{request.base_url}api/events/filter/next?page-token={_token(wanted, limit, page.end)}"
    return EventPage(events=page.events, total=total, next_page=more or None)


def _token(wanted: EventFilter, limit: int, end: Position) -> str:
    body = {"filter": wanted.model_dump(mode="json"), "limit": limit, "at": end[0].isoformat(), "id": str(end[1])}
    return base64.urlsafe_b64encode(json.dumps(body).encode()).decode()


def _read_token(token: str) -> tuple[EventFilter, int, Position]:
    try:
        body: dict[str, Any] = json.loads(base64.urlsafe_b64decode(token))
        at = datetime.fromisoformat(body["at"])
        if at.tzinfo is None or not 0 <= int(body["limit"]) <= MAX_PAGE:
            raise ValueError
        return EventFilter.model_validate(body["filter"]), int(body["limit"]), (at, UUID(body["id"]))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError):
        raise InvalidError("This page token is none of ours: begin with /events/filter", field="page-token") from None


@router.post("/count-by/{countable}", dependencies=[scopes.READ])
def count_events(
    parts: PartsDep,
    countable: Countable,
    filter: Annotated[EventFilter | None, Body()] = None,  # noqa: A002
    time_unit: Annotated[TimeUnit, Body()] = "day",
    time_interval: Annotated[float, Body(ge=0.01, le=10_000)] = 1.0,
) -> list[EventCount]:
    """How many events there were on each day or in each span of time, by name, or by resource."""
    with parts.store.reading() as tx:
        return event_counts.count_by(tx, filter or EventFilter(), countable, time_unit, time_interval)
