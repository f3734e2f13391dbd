"""Recurrence rules (RFC 5545): RRULE, EXRULE, RDATE and EXDATE around one DTSTART, all in wall time.

The days of a rule come from dateutil, entered at the period in which they are wanted, whatever lies between that and
DTSTART. The times within a day are laid out here, so that a rule of every second costs no more than one of every day.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from heapq import merge
from itertools import islice, product
from typing import Any, Literal, TypeVar

from dateutil import rrule as dateutil_rrule
from dateutil.rrule import DAILY, HOURLY, MINUTELY, MONTHLY, SECONDLY, WEEKLY, YEARLY

from skylift.walltime import END, WallTimes, times_of_day

Time = TypeVar("Time", int, time)

Frequency = Literal[0, 1, 2, 3, 4, 5, 6]
"""dateutil's YEARLY to SECONDLY."""

_UNITS = {HOURLY: 3600, MINUTELY: 60, SECONDLY: 1}
_DAY = 86400
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - a wall time
_PATIENCE = 250_000
"""After so many excluded times in a row a recurrence counts as ended."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One RRULE or EXRULE. The `by…` are sorted, and empty where the rule leaves them open."""

    freq: Frequency
    dtstart: datetime
    interval: int = 1
    count: int | None = None
    until: datetime | None = None
    wkst: int = 0
    bysetpos: tuple[int, ...] = ()
    bymonth: tuple[int, ...] = ()
    bymonthday: tuple[int, ...] = ()
    byyearday: tuple[int, ...] = ()
    byweekno: tuple[int, ...] = ()
    byeaster: tuple[int, ...] = ()
    byday: tuple[tuple[int, int], ...] = ()
    """(weekday from Monday = 0, which one in the month or year: 0 any)."""
    byhour: tuple[int, ...] = ()
    byminute: tuple[int, ...] = ()
    bysecond: tuple[int, ...] = ()

    @property
    def real_time(self) -> bool:
        """Whether it fires at each instant whose wall time matches, rather than once for each wall time."""
        return self.freq in _UNITS

    def with_defaults(self) -> Rule:
        """The same rule with everything spelt out that RFC 5545 takes from DTSTART."""
        start, changes = self.dtstart, dict[str, Any]()
        if not (self.byweekno or self.byyearday or self.bymonthday or self.byday or self.byeaster):
            if self.freq == YEARLY:
                changes["bymonth"] = self.bymonth or (start.month,)
            if self.freq in (YEARLY, MONTHLY):
                changes["bymonthday"] = (start.day,)
            if self.freq == WEEKLY:
                changes["byday"] = ((start.weekday(), 0),)
        changes["byhour"] = self.byhour or (tuple(range(24)) if self.freq >= HOURLY else (start.hour,))
        changes["byminute"] = self.byminute or (tuple(range(60)) if self.freq >= MINUTELY else (start.minute,))
        changes["bysecond"] = self.bysecond or (tuple(range(60)) if self.freq >= SECONDLY else (start.second,))
        return replace(self, **changes)

    def walls(self, start: datetime) -> Iterator[datetime]:
        """The wall times from `start` on."""
        start = max(start, self.dtstart)
        end = min(end for end in (self.until, _last_of(self), END) if end is not None)
        for wall in _endless(self, start):
            if wall > end:
                return
            yield wall

    def can_meet_its_times(self) -> bool:
        """Whether INTERVAL, counted from DTSTART, ever falls on the hours, minutes and seconds asked for."""
        if self.freq not in _UNITS:
            return True
        unit = _UNITS[self.freq]
        cycle = math.gcd(unit * self.interval, _DAY)
        origin = _seconds(self.dtstart) // unit * unit
        parts = (self.byhour, self.byminute if unit < 3600 else (0,), self.bysecond if unit < 60 else (0,))
        return any((h * 3600 + m * 60 + s - origin) % cycle == 0 for h, m, s in product(*parts))


@dataclass(frozen=True, slots=True)
class RuleSet:
    """What an rrule text means. Equal texts in other words are equal here."""

    rules: tuple[Rule, ...]
    exclusions: tuple[Rule, ...]
    dates: tuple[datetime, ...]
    excluded_dates: frozenset[datetime]

    def streams(self) -> Iterator[tuple[WallTimes, bool]]:
        """Each source of wall times, and whether it runs in real time."""
        for rule in self.rules:
            yield self._without_exclusions(rule.walls), rule.real_time
        if self.dates:
            yield self._without_exclusions(self._dates_from), False

    def _dates_from(self, start: datetime) -> Iterator[datetime]:
        return iter(self.dates[bisect_left(self.dates, start) :])

    def _without_exclusions(self, walls: WallTimes) -> WallTimes:
        def remaining(start: datetime) -> Iterator[datetime]:
            excluded = merge(*(rule.walls(start) for rule in self.exclusions))
            gone, skipped = next(excluded, END), 0
            for wall in walls(start):
                while gone < wall:
                    gone = next(excluded, END)
                if gone != wall and wall not in self.excluded_dates:
                    skipped = 0
                    yield wall
                elif (skipped := skipped + 1) > _PATIENCE:
                    return

        return remaining


@lru_cache(maxsize=1024)
def _last_of(rule: Rule) -> datetime | None:
    """The last wall time of a rule with COUNT, which can only be found by counting."""
    if rule.count is None:
        return None
    return next(islice(_endless(rule, rule.dtstart), rule.count - 1, None), END)


def _endless(rule: Rule, start: datetime) -> Iterator[datetime]:
    """The wall times from `start` on, regardless of COUNT and UNTIL. `start` is not before DTSTART."""
    if start.microsecond:
        start = start.replace(microsecond=0) + timedelta(seconds=1)
    if rule.freq in _UNITS:
        return _within_days(rule, start)
    if rule.bysetpos and rule.freq != DAILY:
        times = {"byhour": rule.byhour, "byminute": rule.byminute, "bysecond": rule.bysecond}
        whole = _entered_before(rule, start.date(), rule.dtstart.time(), bysetpos=rule.bysetpos, **times)
        return (wall for wall in whole if wall >= start)
    return _on_days(rule, start)


def _on_days(rule: Rule, start: datetime) -> Iterator[datetime]:
    """YEARLY to DAILY: the rule's days, each with its times."""
    chosen = _positions(list(times_of_day(rule.byhour, rule.byminute, rule.bysecond, time.min)), rule.bysetpos)
    for day in _days(rule, start.date()):
        if day >= start.date():
            first = start.time() if day == start.date() else time.min
            for moment in chosen[bisect_left(chosen, first) :]:
                yield datetime.combine(day, moment)


def _days(rule: Rule, start: date) -> Iterator[date]:
    """The days of a rule of FREQ=YEARLY to DAILY from `start` on, and perhaps some before."""
    if rule.freq in (YEARLY, MONTHLY):
        whole = _entered_before(rule, start, time.min, byhour=0, byminute=0, bysecond=0)
        return (midnight.date() for midnight in whole)
    length = 7 if rule.freq == WEEKLY else 1
    origin = _first_of_period(rule)
    return (day for day in _open_days(rule, start) if (day - origin).days // length % rule.interval == 0)


def _entered_before(rule: Rule, wanted: date, at: time, **times: Any) -> dateutil_rrule.rrule:
    """The rule from a period on that begins no later than `wanted`, without changing what follows."""
    return dateutil_rrule.rrule(
        rule.freq,
        dtstart=datetime.combine(_last_period(rule, wanted), at),
        interval=rule.interval,
        wkst=rule.wkst,
        until=END,
        **_day_filters(rule),
        **times,
    )


def _last_period(rule: Rule, wanted: date) -> date:
    """The first day of the last period of a FREQ=YEARLY, MONTHLY or WEEKLY rule before `wanted`, or DTSTART's day."""
    first, step = rule.dtstart.date(), rule.interval
    match rule.freq:
        case dateutil_rrule.YEARLY:
            periods = (wanted.year - first.year) // step
            later = date(first.year + periods * step, 1, 1)
        case dateutil_rrule.MONTHLY:
            periods = ((wanted.year - first.year) * 12 + wanted.month - first.month) // step
            year, month = divmod(first.year * 12 + first.month - 1 + periods * step, 12)
            later = date(year, month + 1, 1)
        case _:
            periods = (wanted - _first_of_period(rule)).days // (7 * step)
            later = _first_of_period(rule) + timedelta(days=7 * step * periods)
    return later if periods > 0 else first


def _first_of_period(rule: Rule) -> date:
    """The first day of DTSTART's week, or just DTSTART's day where weeks do not matter."""
    first = rule.dtstart.date()
    return first - timedelta(days=(first.weekday() - rule.wkst) % 7) if rule.freq == WEEKLY else first


def _within_days(rule: Rule, start: datetime) -> Iterator[datetime]:
    """HOURLY, MINUTELY and SECONDLY: from period to period, with leaps over what is not asked for."""
    unit = _UNITS[rule.freq]
    step, origin = unit * rule.interval, _seconds(rule.dtstart) // unit * unit
    inner = _times_in_period(rule, unit)
    days = ((day - _EPOCH.date()).days for day in _open_days(rule, start.date()))
    day = next(days, None)
    at = origin + (_seconds(start) - origin) // step * step
    while day is not None:
        if at // _DAY > day:
            day = next(days, None)
            continue
        leap = max(day * _DAY, _next_open_time(rule, unit, at))
        if leap > at:
            at = origin + -(-(leap - origin) // step) * step
            continue
        for offset in inner:
            wall = _EPOCH + timedelta(seconds=at + offset)
            if wall >= start:
                yield wall
        at += step


def _times_in_period(rule: Rule, unit: int) -> list[int]:
    """When a rule fires within an hour, minute or second, in seconds from its beginning."""
    minutes = rule.byminute if unit == 3600 else (0,)
    seconds = rule.bysecond if unit > 1 else (0,)
    times = [minute * 60 + second for minute, second in product(minutes, seconds)]
    return _positions(times, rule.bysetpos)


def _positions(times: list[Time], chosen: tuple[int, ...]) -> list[Time]:
    """Those of the times that BYSETPOS names, counted from 1 or, if negative, from the end; all if it names none."""
    if not chosen:
        return times
    indexes = {position - 1 if position > 0 else position + len(times) for position in chosen}
    return [times[index] for index in sorted(indexes) if 0 <= index < len(times)]


def _next_open_time(rule: Rule, unit: int, at: int) -> int:
    """`at` where its hour, minute and second are asked for, or else the next second at which they may be."""
    day, rest = at - at % _DAY, at % _DAY
    hour, minute, second = rest // 3600, rest // 60 % 60, rest % 60
    if (next_hour := _at_or_after(rule.byhour, hour, 24)) != hour:
        return day + next_hour * 3600
    if unit < 3600 and (next_minute := _at_or_after(rule.byminute, minute, 60)) != minute:
        return day + hour * 3600 + next_minute * 60
    if unit < 60 and (next_second := _at_or_after(rule.bysecond, second, 60)) != second:
        return at - second + next_second
    return at


def _at_or_after(allowed: tuple[int, ...], value: int, over: int) -> int:
    index = bisect_left(allowed, value)
    return allowed[index] if index < len(allowed) else over


def _open_days(rule: Rule, start: date) -> Iterator[date]:
    """The days from `start` on that BYMONTH, BYDAY and so on let through. Asked for by the year, which is the same for
    filters that look at a day alone, and far quicker."""
    filters: dict[str, Any] = {"byweekday": range(7)} | _day_filters(rule)
    begin = datetime(start.year, 1, 1)  # noqa: DTZ001 - a wall time
    filters |= {"byhour": 0, "byminute": 0, "bysecond": 0}
    for midnight in dateutil_rrule.rrule(YEARLY, dtstart=begin, wkst=rule.wkst, until=END, **filters):
        if midnight.date() >= start:
            yield midnight.date()


def _day_filters(rule: Rule) -> dict[str, Any]:
    weekdays = tuple(dateutil_rrule.weekday(day, nth or None) for day, nth in rule.byday)
    filters = {
        "bymonth": rule.bymonth,
        "bymonthday": rule.bymonthday,
        "byyearday": rule.byyearday,
        "byweekno": rule.byweekno,
        "byeaster": rule.byeaster,
        "byweekday": weekdays,
    }
    return {name: values for name, values in filters.items() if values}


def _seconds(wall: datetime) -> int:
    return (wall - _EPOCH) // timedelta(seconds=1)
