"""Plain enumeration: what a schedule should do around a change of the clock, minute by minute in UTC.

Written differently from the implementation on purpose: it knows no offsets and no transitions, it only watches a clock
on the wall while UTC goes on, and asks a predicate about each wall time that it sees, or that the clock leaps over.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from importlib import resources
from typing import Literal
from zoneinfo import ZoneInfo

Matches = Callable[[datetime], bool]
MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class Change:
    """One change of a zone's clock."""

    zone: str
    instant: datetime
    leap: timedelta
    """How far the clock jumps: forward is positive."""
    wall: datetime
    """What the clock shows just after."""


def wall_clock(tz: ZoneInfo, begin: datetime, end: datetime) -> list[tuple[datetime, datetime]]:
    """(UTC, wall time) for each minute."""
    minutes = int((end - begin) / MINUTE)
    return [((at := begin + n * MINUTE), at.astimezone(tz).replace(tzinfo=None, fold=0)) for n in range(minutes)]


def enumerate_slots(
    clock: list[tuple[datetime, datetime]], matches: Matches, mode: Literal["once", "every", "utc"]
) -> list[datetime]:
    """The slots among these minutes. `once`: each wall time the first time that the clock shows it or leaps over it;
    `every`: each minute whose wall time matches; `utc`: each minute that matches itself."""
    if mode == "every":
        return [instant for instant, wall in clock if matches(wall)]
    if mode == "utc":
        return [instant for instant, _ in clock if matches(instant)]
    slots = []
    upcoming = clock[0][1]  # the first wall time that has not had its turn
    for instant, wall in clock:
        fired = False
        while upcoming <= wall:
            fired = matches(upcoming) or fired
            upcoming += MINUTE
        if fired:
            slots.append(instant)
    return slots


def zone_names() -> list[str]:
    return (resources.files("tzdata") / "zones").read_text(encoding="utf-8").split()


@lru_cache(maxsize=4)
def distinct_changes(probe: timedelta) -> list[Change]:
    """The changes of 2000 to 2040 of all IANA zones; of zones with the same table one stands for all."""
    tables: dict[tuple[object, ...], list[Change]] = {}
    for name in zone_names():
        changes = list(_changes(name, probe))
        first = ZoneInfo(name).utcoffset(datetime(2000, 1, 1, tzinfo=UTC))
        tables.setdefault((first, *((c.instant, c.leap) for c in changes)), changes)
    return [change for changes in tables.values() for change in changes]


def shapes(changes: list[Change]) -> list[Change]:
    """One change for each leap and time of day."""
    chosen = {(change.leap, change.wall.time()): change for change in reversed(changes)}
    return sorted(chosen.values(), key=lambda change: (change.zone, change.instant))


def _changes(name: str, probe: timedelta) -> Iterator[Change]:
    tz, step = ZoneInfo(name), int(probe.total_seconds())
    begin, end = (int(datetime(year, 1, 1, tzinfo=UTC).timestamp()) for year in (2000, 2041))

    def offset(second: int) -> timedelta:
        value = datetime.fromtimestamp(second, tz).utcoffset()
        assert value is not None
        return value

    before = offset(begin)
    for at in range(begin, end, step):
        after = offset(at + step)
        if after != before:
            second = bisect_left(range(at, at + step), True, key=lambda s: offset(s) == after) + at
            yield Change(
                name,
                datetime.fromtimestamp(second, UTC),
                after - before,
                datetime.fromtimestamp(second, tz).replace(tzinfo=None, fold=0),
            )
        before = after
