"""Cron expressions: five fields, or six with the seconds last, as Prefect's clients send them.

Parsed here: of the libraries at hand one knows no `day_or`, and each has its own reading of clock changes built in.
Syntax: `*`, `?`, lists, ranges (also over the end: FRI-MON), steps, names, `L` (last day of the month), `L5` (last
Friday), `5#2` (second Friday), `@daily` and the like.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import lru_cache

from skylift.errors import InvalidError
from skylift.walltime import END, times_of_day

_ALIASES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_MONTHS = {
    name: n
    for n, name in enumerate(("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), 1)
}
_WEEKDAYS = {name: n for n, name in enumerate(("sun", "mon", "tue", "wed", "thu", "fri", "sat"))}
_LAST = -1
"""Stands for "last": of a month's days, or of a weekday's occurrences in a month."""


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    low: int
    high: int
    names: Mapping[str, int]


_FIELDS = (
    _Field("minute", 0, 59, {}),
    _Field("hour", 0, 23, {}),
    _Field("day of month", 1, 31, {}),
    _Field("month", 1, 12, _MONTHS),
    _Field("day of week", 0, 6, {**_WEEKDAYS, "7": 0}),
    _Field("second", 0, 59, {}),
)


@dataclass(frozen=True, slots=True)
class Cron:
    """What an expression means. Equal expressions in other words are equal here."""

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: frozenset[int]
    """Days of the month; -1 is the last one."""
    months: frozenset[int]
    weekdays: frozenset[tuple[int, int]]
    """(weekday from Sunday = 0, which one in the month: 0 any, -1 the last)."""
    seconds: tuple[int, ...]
    either_day: bool
    """True: the day of month or the day of week must match; False: both."""

    @property
    def runs_every_hour(self) -> bool:
        return len(self.hours) == 24

    def walls(self, start: datetime) -> Iterator[datetime]:
        """The wall times from `start` on."""
        if start.microsecond:
            start = start.replace(microsecond=0) + timedelta(seconds=1)
        for day in self._matching_days(start.date()):
            first = start.time() if day == start.date() else time.min
            for moment in times_of_day(self.hours, self.minutes, self.seconds, first):
                yield datetime.combine(day, moment)

    def _matching_days(self, day: date) -> Iterator[date]:
        while day < END.date():
            if day.month not in self.months:
                day = (day.replace(day=1) + timedelta(days=32)).replace(day=1)
                continue
            if self._matches(day):
                yield day
            day += timedelta(days=1)

    def _matches(self, day: date) -> bool:
        length = calendar.monthrange(day.year, day.month)[1]
        in_month = day.day in self.days or (_LAST in self.days and day.day == length)
        if in_month == self.either_day:
            return in_month
        weekday = day.isoweekday() % 7
        candidates = {(weekday, 0), (weekday, (day.day + 6) // 7)}
        if day.day + 7 > length:
            candidates.add((weekday, _LAST))
        return not candidates.isdisjoint(self.weekdays)


@lru_cache(maxsize=4096)
def parse_cron(text: str, day_or: bool = True) -> Cron:
    """Raises `InvalidError` that names the part of the expression at fault."""
    texts = _ALIASES.get(text.strip().lower(), text).lower().split()
    if len(texts) not in (5, 6):
        raise InvalidError(
            f"{text!r} has {len(texts)} fields; a cron expression has five (minute, hour, day of month, month, "
            "day of week), a sixth for seconds if wanted, or is one of " + ", ".join(_ALIASES) + ".",
            field="cron",
        )
    sets = [_expand(field, part) for field, part in zip(_FIELDS, texts, strict=False)]
    minutes, hours, days, months, weekdays = ({n for n, _ in values} for values in sets[:5])
    day_text, weekday_text = texts[2], texts[4]
    day_free = day_text in ("*", "?") or (len(days - {_LAST}) == 31 and "*" in weekday_text)
    weekday_free = weekday_text in ("*", "?") or (len(weekdays) == 7 and "*" in day_text and "#" not in weekday_text)
    cron = Cron(
        minutes=tuple(sorted(minutes)),
        hours=tuple(sorted(hours)),
        days=frozenset(range(1, 32) if day_free else days),
        months=frozenset(months),
        weekdays=frozenset((n, 0) for n in range(7)) if weekday_free else frozenset(sets[4]),
        seconds=tuple(sorted(n for n, _ in sets[5])) if len(sets) == 6 else (0,),
        either_day=day_or and not (day_free or weekday_free),
    )
    if next(cron.walls(datetime(2000, 1, 1)), None) is None:  # noqa: DTZ001 - a wall time
        raise InvalidError(f"{text!r} never fires: no day of any year matches.", field="cron")
    return cron


def _expand(field: _Field, text: str) -> set[tuple[int, int]]:
    """The values of one field, each with which occurrence in the month is meant (0: any)."""
    values: set[tuple[int, int]] = set()
    for term in text.split(","):
        values |= _expand_term(field, term)
    return values


def _expand_term(field: _Field, term: str) -> set[tuple[int, int]]:
    if field.name == "day of month" and term == "l":
        return {(_LAST, 0)}
    if field.name == "day of week":
        if re.fullmatch(r"l\d", term):
            return {(_number(field, term[1:], term), _LAST)}
        if match := re.fullmatch(r"(\w+)#([1-5])", term):
            return {(_number(field, match[1], term), int(match[2]))}
    if term == "?" and field.name.startswith("day of"):
        term = "*"
    match = re.fullmatch(r"(?:(?P<all>\*)|(?P<low>\w+)(?:-(?P<high>\w+))?)(?:/(?P<step>\d+))?", term)
    if match is None or match["step"] in ("0", "00"):
        raise _bad(field, term)
    step = int(match["step"] or 1)
    low = field.low if match["all"] else _number(field, match["low"], term)
    if match["high"]:
        high = _high(field, match["high"], term)
        if low == high:
            raise _bad(field, term, f"the range has one value; write {match['low']} or *")
    else:
        high = field.high if match["all"] or match["step"] else low
    numbers = range(low, high + 1) if low <= high else [*range(low, field.high + 1), *range(field.low, high + 1)]
    return {(n % 7 if field.name == "day of week" else n, 0) for n in numbers[::step]}


def _high(field: _Field, text: str, term: str) -> int:
    """The end of a range: `L` is the 31st there, and a week may end on day 7."""
    match field.name, text:
        case "day of month", "l":
            return 31
        case "day of week", "7":
            return 7
    return _number(field, text, term)


def _number(field: _Field, text: str, term: str) -> int:
    number = field.names.get(text, int(text) if text.isascii() and text.isdigit() else None)
    if number is None or not field.low <= number <= field.high:
        raise _bad(field, term)
    return number


def _bad(field: _Field, term: str, why: str | None = None) -> InvalidError:
    names = f" (or {', '.join(n for n in field.names if n.isalpha())})" if field.names else ""
    why = why or f"it takes {field.low} to {field.high}{names}, *, lists, ranges and steps"
    return InvalidError(f"{term!r} is no {field.name} of a cron expression: {why}.", field="cron")
