"""The text of a recurrence rule, read strictly: lines (or words) of DTSTART, RRULE, EXRULE, RDATE and EXDATE.

All times are wall times in the schedule's zone, also those that end in Z: that is how Prefect reads what its own
clients write. A text without DTSTART starts at 2020-01-01T00:00, never at "now".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime
from functools import lru_cache
from heapq import merge
from typing import Any

from dateutil.rrule import DAILY, HOURLY, MINUTELY, MONTHLY, SECONDLY, WEEKLY, YEARLY

from skylift.errors import InvalidError
from skylift.rrules import Rule, RuleSet
from skylift.walltime import END

MAX_LENGTH = 6_500
ANCHOR = datetime(2020, 1, 1)  # noqa: DTZ001 - a wall time

_EARLIEST = datetime(1900, 1, 1)  # noqa: DTZ001
_MAX_COUNT = 100_000
_MAX_TIMES_A_DAY = 1_440
_FREQUENCIES = {
    "YEARLY": YEARLY,
    "MONTHLY": MONTHLY,
    "WEEKLY": WEEKLY,
    "DAILY": DAILY,
    "HOURLY": HOURLY,
    "MINUTELY": MINUTELY,
    "SECONDLY": SECONDLY,
}
_WEEKDAYS = {name: n for n, name in enumerate(("MO", "TU", "WE", "TH", "FR", "SA", "SU"))}
_NUMBERS = {
    "BYSETPOS": (-366, 366),
    "BYMONTH": (1, 12),
    "BYMONTHDAY": (-31, 31),
    "BYYEARDAY": (-366, 366),
    "BYWEEKNO": (-53, 53),
    "BYEASTER": (-366, 366),
    "BYHOUR": (0, 23),
    "BYMINUTE": (0, 59),
    "BYSECOND": (0, 59),
}
_MAY_BE_ZERO = {"BYEASTER", "BYHOUR", "BYMINUTE", "BYSECOND"}


@lru_cache(maxsize=1024)
def parse_rrule(text: str, timezone: str) -> RuleSet:
    """Raises `InvalidError` that names the part of the text at fault."""
    if len(text) > MAX_LENGTH:
        raise _bad(f"the rule has {len(text)} characters; at most {MAX_LENGTH} are allowed")
    values = _sorted_by_property(text, timezone)
    starts = {_moment("DTSTART", start) for start in values["DTSTART"]}
    if len(starts) > 1:
        raise _bad("there are several DTSTART that differ; keep one")
    start = starts.pop() if starts else ANCHOR
    rules = RuleSet(
        rules=_rules(values["RRULE"], start),
        exclusions=_rules(values["EXRULE"], start),
        dates=tuple(sorted(_moments("RDATE", values["RDATE"]))),
        excluded_dates=frozenset(_moments("EXDATE", values["EXDATE"])),
    )
    if not rules.rules and not rules.dates:
        raise _bad("there is neither an RRULE nor an RDATE")
    if next(merge(*(walls(_EARLIEST) for walls, _ in rules.streams())), None) is None:
        raise _bad(f"the rule never fires before the year {END.year}")
    return rules


def _sorted_by_property(text: str, timezone: str) -> dict[str, list[str]]:
    values: dict[str, list[str]] = {"DTSTART": [], "RRULE": [], "EXRULE": [], "RDATE": [], "EXDATE": []}
    for line in text.split():
        name, colon, value = line.partition(":")
        if not colon:
            name, value = "RRULE", line
        name, *parameters = name.split(";")
        if name.upper() not in values:
            raise _bad(f"{name!r} is not known; a line begins with " + ", ".join(values))
        for parameter in parameters:
            _check_parameter(parameter, timezone)
        values[name.upper()].append(value.upper())
    return values


def _check_parameter(parameter: str, timezone: str) -> None:
    key, _, value = parameter.partition("=")
    if key.upper() == "TZID" and value.upper() != timezone.upper():
        raise _bad(f"TZID={value} differs from the schedule's timezone {timezone}; make them the same or drop TZID")
    if key.upper() not in ("TZID", "VALUE"):
        raise _bad(f"the parameter {parameter!r} is not known; TZID and VALUE are")


def _rules(texts: list[str], dtstart: datetime) -> tuple[Rule, ...]:
    return tuple(sorted({_rule(text, dtstart) for text in texts}, key=repr))


def _rule(text: str, dtstart: datetime) -> Rule:
    parts = _parts(text)
    if parts.get("FREQ") not in _FREQUENCIES:
        raise _bad("FREQ is needed: one of " + ", ".join(_FREQUENCIES))
    if "UNTIL" in parts and "COUNT" in parts:
        raise _bad("UNTIL and COUNT exclude each other; keep one of them")
    values: dict[str, Any] = {"freq": _FREQUENCIES[parts["FREQ"]], "dtstart": dtstart}
    for name, value in parts.items():
        if name in _NUMBERS:
            values[name.lower()] = _numbers(name, value)
    for name, most in (("INTERVAL", _MAX_COUNT), ("COUNT", _MAX_COUNT)):
        if name in parts:
            values[name.lower()] = _number(name, parts[name], 1, most)
    if "WKST" in parts:
        values["wkst"] = _weekday("WKST", parts["WKST"])
    if "UNTIL" in parts:
        values["until"] = _moment("UNTIL", parts["UNTIL"])
    if "BYDAY" in parts:
        values["byday"] = _days(parts["BYDAY"], values["freq"])
    rule = Rule(**values).with_defaults()
    _check_sense(rule)
    return rule


def _parts(text: str) -> Mapping[str, str]:
    known = {field.name.upper() for field in fields(Rule)} - {"DTSTART"}
    parts: dict[str, str] = {}
    for part in text.strip(";").split(";"):
        name, _, value = part.partition("=")
        name = "BYDAY" if name == "BYWEEKDAY" else name
        if name not in known:
            raise _bad(f"{name!r} is no part of a rule; known are " + ", ".join(sorted(known)))
        if name in parts:
            raise _bad(f"{name} is given twice")
        parts[name] = value
    return parts


def _check_sense(rule: Rule) -> None:
    if rule.until is not None and rule.until < rule.dtstart:
        raise _bad(f"UNTIL {rule.until} is before DTSTART {rule.dtstart}, so the rule never fires")
    times_a_day = len(rule.byhour) * len(rule.byminute) * len(rule.bysecond)
    if rule.bysetpos and rule.freq < DAILY and times_a_day > _MAX_TIMES_A_DAY:
        raise _bad(f"BYSETPOS chooses among more than {_MAX_TIMES_A_DAY} times a day; name fewer in BYHOUR and so on")
    if rule.byweekno and rule.freq != YEARLY:
        raise _bad("BYWEEKNO needs FREQ=YEARLY (RFC 5545)")
    if not rule.can_meet_its_times():
        raise _bad("INTERVAL never falls on the BYHOUR, BYMINUTE and BYSECOND that are asked for, so it never fires")


def _days(text: str, freq: int) -> tuple[tuple[int, int], ...]:
    days = set()
    for item in text.split(","):
        match = re.fullmatch(r"([+-]?\d{1,2})?([A-Z]{2})(?:\(([+-]?\d{1,2})\))?", item)
        if match is None or (match[1] and match[3]):
            raise _bad(f"BYDAY={item} is not a weekday like MO, 1MO or -1FR")
        number = match[1] or match[3]
        nth = _number("BYDAY", number, -53, 53, zero=False) if number else 0
        days.add((_weekday("BYDAY", match[2]), nth))
    if freq not in (YEARLY, MONTHLY) and any(nth for _, nth in days):
        raise _bad(f"BYDAY={text}: a number before a weekday needs FREQ=MONTHLY or FREQ=YEARLY")
    if len({bool(nth) for _, nth in days}) > 1:
        raise _bad(f"BYDAY={text} mixes weekdays with and without a number; use two RRULE lines")
    return tuple(sorted(days))


def _weekday(name: str, text: str) -> int:
    if text not in _WEEKDAYS:
        raise _bad(f"{name}={text} is no weekday; they are " + ", ".join(_WEEKDAYS))
    return _WEEKDAYS[text]


def _numbers(name: str, text: str) -> tuple[int, ...]:
    low, high = _NUMBERS[name]
    zero = name in _MAY_BE_ZERO
    return tuple(sorted({_number(name, item, low, high, zero=zero) for item in text.split(",")}))


def _number(name: str, text: str, low: int, high: int, *, zero: bool = True) -> int:
    if not re.fullmatch(r"[+-]?[0-9]{1,9}", text) or not low <= int(text) <= high or (int(text) == 0 and not zero):
        raise _bad(f"{name}={text} is not a number from {low} to {high}" + ("" if zero or low > 0 else ", without 0"))
    return int(text)


def _moments(name: str, values: list[str]) -> set[datetime]:
    return {_moment(name, item) for value in values for item in value.split(",")}


def _moment(name: str, text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text.removesuffix("Z"))
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is not None or moment.microsecond or not _EARLIEST <= moment < END:
        raise _bad(
            f"{name}={text} is not a time like 20200101T090000 of the years {_EARLIEST.year} to {END.year - 1}, "
            "in the schedule's zone"
        )
    return moment


def _bad(why: str) -> InvalidError:
    return InvalidError(f"The recurrence rule is refused: {why}.", field="rrule")
