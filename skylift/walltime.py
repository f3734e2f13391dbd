"""Local wall time and UTC: the one rule for the hour that does not exist and the hour that comes twice.

A wall time is a naive datetime, read in a zone. There are two readings, and `docs/schedules.md` says which is whose:

* `once`: each wall time is one instant. In a gap it is the instant at which the clock jumps, in a fold the first
  of the two.
* `every`: each instant whose wall time matches. In a gap there is none, in a fold there are two.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, time, timedelta
from functools import lru_cache
from itertools import product
from zoneinfo import ZoneInfo

from skylift.errors import InvalidError

END = datetime(2100, 1, 1)  # noqa: DTZ001 - a wall time
"""Recurrences are followed up to here; one that has no slot before it counts as one that never fires."""

WallTimes = Callable[[datetime], Iterator[datetime]]
"""Given a wall time: the recurrence's wall times from there on (inclusive), ascending, without duplicates."""

_MACHINE_DEPENDENT = ("localtime", "posixrules", "Factory", "posix/", "right/")


@lru_cache(maxsize=1024)
def zone(name: str) -> ZoneInfo:
    """The IANA zone of that name; raises `InvalidError`."""
    try:
        if name.startswith(_MACHINE_DEPENDENT):
            raise ValueError
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError) as error:
        raise InvalidError(
            f"{name!r} is no IANA time zone; write it like Europe/Paris, America/New_York or UTC.",
            field="timezone",
        ) from error


def to_utc(wall: datetime, tz: ZoneInfo) -> datetime:
    """The instant of a wall time: the first one in a fold, the instant of the jump in a gap."""
    early, late = sorted(wall.replace(tzinfo=tz, fold=fold).astimezone(UTC) for fold in (0, 1))
    if to_wall(early, tz) == wall:
        return early
    return _change_between(tz, early, late)


def to_wall(instant: datetime, tz: ZoneInfo) -> datetime:
    return instant.astimezone(tz).replace(tzinfo=None, fold=0)


def once(walls: WallTimes, tz: ZoneInfo, after: datetime) -> Iterator[datetime]:
    """Each wall time as one instant, strictly after `after`.

    `to_utc` never decreases, so the order stays, and those that fall on one instant stand next to each other.
    """
    last = after
    for wall in walls(to_wall(after, tz)):
        instant = to_utc(wall, tz)
        if instant > last:
            yield instant
            last = instant


def every(walls: WallTimes, tz: ZoneInfo, after: datetime) -> Iterator[datetime]:
    """Each instant strictly after `after` whose wall time is one of these."""
    stream: Iterator[datetime] = iter(())
    wall, reached = None, END
    for begin, end, offset in _spans(tz, after):
        first, stop = (bound.replace(tzinfo=None) + offset for bound in (begin, end))
        if first < reached:  # at the start, and where the clock went back
            stream = walls(first)
            wall = next(stream, None)
        elif wall is None:
            return
        while wall is not None and wall < stop:
            instant = (wall - offset).replace(tzinfo=UTC)
            if wall >= first and instant > after:
                yield instant
            wall = next(stream, None)
        reached = stop


def times_of_day(hours: Sequence[int], minutes: Sequence[int], seconds: Sequence[int], start: time) -> Iterator[time]:
    """The times of one day from `start` on. The three are sorted."""
    for hour in hours[bisect_left(hours, start.hour) :]:
        for minute, second in product(minutes, seconds):
            if (moment := time(hour, minute, second)) >= start:
                yield moment


def _spans(tz: ZoneInfo, start: datetime) -> Iterator[tuple[datetime, datetime, timedelta]]:
    """(begin, end, UTC offset) of stretches of constant offset, none longer than a year, up to the end of time."""
    begin = start
    for year in range(start.year, END.year):
        for end in (*_changes(tz, year), datetime(year + 1, 1, 1, tzinfo=UTC)):
            if end > begin:
                yield begin, end, _offset(tz, begin)
                begin = end


@lru_cache(maxsize=4096)
def _changes(tz: ZoneInfo, year: int) -> tuple[datetime, ...]:
    """The instants of that (UTC) year at which the zone's offset changes. None lasts for less than a day."""
    found = []
    day, begin = timedelta(days=1), datetime(year, 1, 1, tzinfo=UTC)
    while begin.year == year:
        if _offset(tz, begin) != _offset(tz, begin + day):
            found.append(_change_between(tz, begin, begin + day))
        begin += day
    return tuple(found)


def _change_between(tz: ZoneInfo, before: datetime, after: datetime) -> datetime:
    """The first second with the offset that holds at `after`."""
    before = before.replace(microsecond=0)
    offset, span = _offset(tz, before), int((after - before).total_seconds()) + 1
    # Binary search for the number of seconds after `before` at which the offset is another.
    changed = bisect_left(range(span), True, key=lambda n: _offset(tz, before + timedelta(seconds=n)) != offset)
    return before + timedelta(seconds=changed)


def _offset(tz: ZoneInfo, instant: datetime) -> timedelta:
    offset = instant.astimezone(tz).utcoffset()
    assert offset is not None  # noqa: S101 - a ZoneInfo always has one for an aware datetime
    return offset
