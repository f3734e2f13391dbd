"""Events: what was sent, and the states of flow runs, which are events as well and cost nothing more to be so.

Both are read in order of time, then of id, and merged. The database is asked for what its indexes know; what a filter
asks beyond that (labels, roles, text) is looked at here, in what the database found.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, Text, and_, false, func, not_, or_, select, type_coerce

from skylift.models.event_filters import AnyResourceFilter, EventFilter, RelatedFilter, ResourceFilter
from skylift.models.events import FLOW_RUN, Event, ReceivedEvent, run_id
from skylift.store import state_events, task_run_reports
from skylift.store.engine import Tx
from skylift.store.inserts import insert_new
from skylift.store.prefixes import begins
from skylift.store.tables import events as table

COUNTED = 10_000
"""Up to how many matches are counted."""
SCANNED = 50_000
"""How many events are looked at for one page; the next page goes on from there."""
CHUNK = 200

Position = tuple[datetime, UUID]
"""Where a page ended: when that event occurred, and its id."""


def append(tx: Tx, events: Sequence[Event], owner: UUID | None = None) -> None:
    """Keep these events, those that are known already left out, and bring the task runs that they report up to date.

    `owner` is the flow run that sent them: those that name no flow run belong to it.
    """
    insert_new(tx, table, [_row(tx, event, owner) for event in events])
    task_run_reports.record(tx, events)


def _row(tx: Tx, event: Event, owner: UUID | None) -> dict[str, Any]:
    runs = event.flow_run_ids
    return {
        "id": event.id,
        "occurred": event.occurred,
        "received": tx.now,
        "event": event.event,
        "resource_id": event.resource_id,
        "resource": event.resource,
        "related": event.related,
        "payload": event.payload,
        "follows": event.follows,
        "flow_run_id": runs[0] if runs else owner,
    }


# -- reading ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Page:
    """Events in order, and where the next page begins after; None: there are no more."""

    events: list[ReceivedEvent]
    end: Position | None


def find(
    tx: Tx,
    wanted: EventFilter,
    limit: int,
    after: Position | None = None,
    may_see: Callable[[ReceivedEvent], bool] = lambda _: True,
) -> Page:
    """A page of the events that the filter asks for, of those that `may_see` lets through."""
    found: list[ReceivedEvent] = []
    seen: set[str] = set()
    distinct = wanted.resource is not None and wanted.resource.distinct
    if not limit:
        return Page([], None)
    for number, event in enumerate(scan(tx, wanted, after), start=1):
        if wanted.matches(event) and may_see(event) and not (distinct and event.resource_id in seen):
            seen.add(event.resource_id)
            if len(found) == limit:
                return Page(found, _position(found[-1]))
            found.append(event)
        if number == SCANNED:
            return Page(found, _position(event))
    return Page(found, None)


def _position(event: ReceivedEvent) -> Position:
    return event.occurred, event.id


def scan(tx: Tx, wanted: EventFilter, after: Position | None = None) -> Iterator[ReceivedEvent]:
    """The events that may match, in the filter's order, from after a position on."""
    newest_first = wanted.order == "DESC"
    sources = [_stream(tx, query, columns, read, after, newest_first) for query, columns, read in _sources(wanted)]
    yield from heapq.merge(*sources, key=_position, reverse=newest_first)


def names_and_times(tx: Tx, wanted: EventFilter, limit: int) -> Iterator[tuple[str, datetime]]:
    """Of the newest events that a bare filter may ask for, the name and the time: whatever else there is to them is not
    read, which is much quicker."""
    stored = select(table.c.event, table.c.occurred).where(*_conditions(wanted))
    found: list[list[tuple[str, datetime]]] = [
        [(row.event, row.occurred) for row in tx.all(stored.order_by(table.c.occurred.desc()).limit(limit))]
    ]
    states = state_events.names_and_times(wanted)
    if states is not None:
        found.append([(FLOW_RUN + row.name, row.timestamp) for row in tx.all(states.limit(limit))])
    return islice(heapq.merge(*found, key=lambda each: each[1], reverse=True), limit)


Columns = tuple[Any, Any]
"""Those of the time and of the id."""


def _sources(wanted: EventFilter) -> Iterator[tuple[Select[Any], Columns, Callable[[Row[Any]], ReceivedEvent]]]:
    yield select(table).where(*_conditions(wanted)), (table.c.occurred, table.c.id), _event
    states = state_events.query(wanted)
    if states is not None:
        yield states, state_events.ORDER, state_events.event


def _stream(
    tx: Tx,
    query: Select[Any],
    columns: Columns,
    read: Callable[[Row[Any]], ReceivedEvent],
    after: Position | None,
    newest_first: bool,
) -> Iterator[ReceivedEvent]:
    """A chunk at a time. Not by a cursor: a database that does not know how little of it is read sorts it all first."""
    ordered = query.order_by(*_ordered(columns, newest_first)).limit(CHUNK)
    while True:
        rows = tx.all(ordered.where(_beyond(columns, after, newest_first)))
        for row in rows:
            yield read(row)
        if len(rows) < CHUNK:
            return
        after = _position(read(rows[-1]))


def _ordered(columns: Columns, newest_first: bool) -> list[ColumnElement[Any]]:
    return [each.desc() if newest_first else each.asc() for each in columns]


def _beyond(columns: Columns, after: Position | None, newest_first: bool) -> ColumnElement[bool]:
    if after is None:
        return and_(True)
    (time, key), (at, id_) = columns, after
    # The first condition is what an index can be entered by.
    if newest_first:
        return and_(time <= at, or_(time < at, key < id_))
    return and_(time >= at, or_(time > at, key > id_))


def count(tx: Tx, wanted: EventFilter) -> int:
    """How many events match, as far as the database can tell (it knows no labels, roles or words), up to a limit."""
    total = 0
    for query, (_, key), _read in _sources(wanted):
        some = query.with_only_columns(key).limit(COUNTED).subquery()
        total += tx.conn.execute(select(func.count()).select_from(some)).scalar_one()
    return min(total, COUNTED)


def received_since(tx: Tx, instant: datetime, names: Sequence[str] | None) -> list[tuple[str, UUID]]:
    """Which events came in since this instant of the database's clock: their kinds and ids. Only those with these names
    where they are given."""
    stored = select(table.c.id).where(table.c.received >= instant)
    if names is not None:
        stored = stored.where(table.c.event.in_(names))
    found = [("event", row.id) for row in tx.all(stored)]
    return found + [("state", key) for key in state_events.entered_since(tx, instant, names)]


def by_ids(tx: Tx, wanted: Iterable[tuple[str, UUID]]) -> list[ReceivedEvent]:
    """These events, in order of time."""
    wanted = list(wanted)
    events: list[ReceivedEvent] = []
    for kind, query, column, read in (
        ("event", select(table), table.c.id, _event),
        ("state", state_events.all_states(), state_events.ORDER[1], state_events.event),
    ):
        ids = [key for each, key in wanted if each == kind]
        for start in range(0, len(ids), 500):
            events += map(read, tx.all(query.where(column.in_(ids[start : start + 500]))))
    return sorted(events, key=_position)


def _event(row: Row[Any]) -> ReceivedEvent:
    return ReceivedEvent.model_construct(**{name: row._mapping[name] for name in ReceivedEvent.model_fields})


# -- what the database is asked ---------------------------------------------------------------------------------------


def _conditions(wanted: EventFilter) -> Iterator[ColumnElement[bool]]:
    if wanted.occurred and wanted.occurred.since:
        yield table.c.occurred >= wanted.occurred.since
    if wanted.occurred and wanted.occurred.until:
        yield table.c.occurred <= wanted.occurred.until
    if wanted.id and wanted.id.id:
        yield table.c.id.in_(wanted.id.id)
    yield from _names(wanted)
    if wanted.resource:
        yield from _resource(wanted.resource)
    for part in wanted.all_involved:
        yield from _involved(part)


def _names(wanted: EventFilter) -> Iterator[ColumnElement[bool]]:
    name, asked = table.c.event, wanted.event
    if not asked:
        return
    if asked.name:
        yield name.in_(asked.name)
    if asked.prefix:
        yield _begins(name, asked.prefix)
    if asked.exclude_name:
        yield name.not_in(asked.exclude_name)
    if asked.exclude_prefix:
        yield not_(_begins(name, asked.exclude_prefix))


def _begins(column: Any, prefixes: Sequence[str]) -> ColumnElement[bool]:
    # LIKE minds the case in one database and not in the other.
    return or_(false(), *(begins(column, each) for each in prefixes))


def _resource(asked: ResourceFilter) -> Iterator[ColumnElement[bool]]:
    if asked.id:
        yield table.c.resource_id.in_(asked.id)
    if asked.id_prefix:
        yield _begins(table.c.resource_id, asked.id_prefix)


def _involved(asked: AnyResourceFilter | RelatedFilter) -> Iterator[ColumnElement[bool]]:
    if asked.id:
        yield or_(*(_names_resource(each, asked) for each in asked.id))


def _names_resource(resource_id: str, asked: AnyResourceFilter | RelatedFilter) -> ColumnElement[bool]:
    """An event is found by the first flow run that it names, not by others."""
    run = run_id(resource_id)
    if run:
        return table.c.flow_run_id == run
    # replace() minds the case everywhere. The list is JSON, as the store writes it.
    related = type_coerce(table.c.related, Text)
    among = func.replace(related, f":{state_events.quoted(resource_id)}", "") != related
    return among if isinstance(asked, RelatedFilter) else or_(table.c.resource_id == resource_id, among)
