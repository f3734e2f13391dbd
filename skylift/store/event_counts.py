"""How many events there were, by what they have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Literal

from skylift.errors import InvalidError
from skylift.models.event_filters import EventFilter
from skylift.models.events import NAME, EventCount, ReceivedEvent
from skylift.store.engine import Tx
from skylift.store.events import SCANNED, names_and_times, scan

Countable = Literal["day", "time", "event", "resource"]
TimeUnit = Literal["week", "day", "hour", "minute", "second"]

UNITS: dict[TimeUnit, timedelta] = {
    "week": timedelta(weeks=1),
    "day": timedelta(days=1),
    "hour": timedelta(hours=1),
    "minute": timedelta(minutes=1),
    "second": timedelta(seconds=1),
}
PIVOT = datetime(2024, 4, 1, tzinfo=UTC)
"""A Monday, from which spans of time are counted, as in the dialect."""
MAX_SPANS = 1_000
DEFAULT_RANGE = timedelta(days=180)


def count_by(tx: Tx, wanted: EventFilter, countable: Countable, unit: TimeUnit, interval: float) -> list[EventCount]:
    """Counts of the newest events that match; spans of time in order, all else by how often there is one.

    Raises `InvalidError` where there would be too many spans.
    """
    found = _found(tx, wanted.model_copy(update={"order": "DESC"}), _resource if countable == "resource" else _name)
    if countable in ("day", "time"):
        span = UNITS[unit] * interval if countable == "time" else UNITS["day"]
        return _in_spans(found, _spans(tx, wanted, span), span)
    return _in_groups(found)


Group = tuple[str, str]
"""What events have in common: a value, and what it is called."""


def _found(tx: Tx, wanted: EventFilter, group_of: Callable[[ReceivedEvent], Group]) -> Iterator[tuple[Group, datetime]]:
    """The group and the time of each event that matches, the newest first."""
    bare = wanted.bare()
    if bare and group_of is _name:
        named = names_and_times(tx, bare, SCANNED)
        return (((name, name), at) for name, at in named if not bare.event or bare.event.admits(name))
    events = islice(scan(tx, wanted), SCANNED)
    return ((group_of(event), event.occurred) for event in events if wanted.matches(event))


def _name(event: ReceivedEvent) -> Group:
    return event.event, event.event


def _resource(event: ReceivedEvent) -> Group:
    return event.resource_id, event.resource.get(NAME) or event.resource_id


def _in_groups(found: Iterable[tuple[Group, datetime]]) -> list[EventCount]:
    groups: dict[str, EventCount] = {}
    for (value, label), at in found:
        group = groups.get(value)
        if group is None:
            group = groups[value] = EventCount(value=value, label=label, count=0, start_time=at, end_time=at)
        group.count += 1
        group.start_time, group.end_time = min(group.start_time, at), max(group.end_time, at)
    return sorted(groups.values(), key=lambda group: (-group.count, group.label))


def _spans(tx: Tx, wanted: EventFilter, span: timedelta) -> range:
    asked = wanted.occurred
    until = min(asked.until, tx.now) if asked and asked.until else tx.now
    since = asked.since if asked and asked.since else until - DEFAULT_RANGE
    first = (since - PIVOT) // span
    spans = range(first, max((until - PIVOT) // span, first) + 1)
    if len(spans) > MAX_SPANS:
        raise InvalidError(
            f"There would be {len(spans)} spans of time: choose a longer one, or a shorter range (at most {MAX_SPANS})",
            field="time_interval",
        )
    return spans


def _in_spans(found: Iterable[tuple[Group, datetime]], spans: range, span: timedelta) -> list[EventCount]:
    counts = dict.fromkeys(spans, 0)
    for _, at in found:
        place = (at - PIVOT) // span
        if place in counts:
            counts[place] += 1
    told = []
    for place, count in counts.items():
        start = PIVOT + span * place
        end = start + span - timedelta(microseconds=1)
        told.append(EventCount(value=str(place), label=start.isoformat(), count=count, start_time=start, end_time=end))
    return told
