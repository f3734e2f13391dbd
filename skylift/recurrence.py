"""When a schedule fires: pure functions from a schedule to UTC instants, the same at any time and anywhere.

The rule where the clock changes (`docs/schedules.md` has the reasons and examples):

* a wall time whose hour was chosen is one slot: in a gap the instant of the jump, in a fold the first of the two;
* what runs every hour (cron with all 24 hours, rules of FREQ=HOURLY and finer) follows real time: none in a gap,
  both in a fold;
* an interval is elapsed time, except for whole days, which keep the wall time of their anchor.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from heapq import merge
from itertools import takewhile
from typing import Any, assert_never

from skylift.cron import parse_cron
from skylift.models.schedules import CronSchedule, IntervalSchedule, RRuleSchedule, Schedule
from skylift.rrule_text import parse_rrule
from skylift.walltime import END, every, once, to_wall, zone

_DAY = timedelta(days=1)


def slots_after(schedule: Schedule, after: datetime, *, before: datetime | None = None) -> Iterator[datetime]:
    """The slots strictly after `after`, and not after `before` where it is given: UTC, ascending, each once.

    Lazy; endless where the schedule is, up to the year 2100.
    """
    after = after.astimezone(UTC)
    slots = _slots(schedule, after)
    return slots if before is None else takewhile(lambda slot: slot <= before, slots)


def content_identity(schedule: Schedule, parameters: Mapping[str, Any]) -> str:
    """The identity of a schedule without a slug: a hex digest of what it means, however it is written.

    `parameters` are the schedule's own, as plain JSON values.
    """
    meaning = {"schedule": _meaning(schedule), "timezone": schedule.timezone, "parameters": parameters}
    text = json.dumps(meaning, sort_keys=True, separators=(",", ":"), default=_plain)
    return hashlib.sha256(text.encode()).hexdigest()


def _slots(schedule: Schedule, after: datetime) -> Iterator[datetime]:
    tz = zone(schedule.timezone)
    match schedule:
        case IntervalSchedule(interval=interval, anchor_date=anchor):
            if interval % _DAY:
                return _elapsed(anchor, interval, after)
            return once(lambda start: _whole_days(to_wall(anchor, tz), interval, start), tz, after)
        case CronSchedule(cron=text, day_or=day_or):
            cron = parse_cron(text, day_or)
            return (every if cron.runs_every_hour else once)(cron.walls, tz, after)
        case RRuleSchedule(rrule=text):
            streams = parse_rrule(text, schedule.timezone).streams()
            return _each_once(merge(*((every if real else once)(walls, tz, after) for walls, real in streams)))
    assert_never(schedule)


def _elapsed(anchor: datetime, interval: timedelta, after: datetime) -> Iterator[datetime]:
    slot = anchor + ((after - anchor) // interval + 1) * interval
    while slot < END.replace(tzinfo=UTC):
        yield slot
        slot += interval


def _whole_days(anchor: datetime, interval: timedelta, start: datetime) -> Iterator[datetime]:
    wall = anchor - ((anchor - start) // interval) * interval
    while wall < END:
        yield wall
        wall += interval


def _each_once(slots: Iterator[datetime]) -> Iterator[datetime]:
    last = None
    for slot in slots:
        if slot != last:
            yield slot
            last = slot


def _meaning(schedule: Schedule) -> dict[str, Any]:
    match schedule:
        case IntervalSchedule(interval=interval, anchor_date=anchor):
            return {"interval": interval // timedelta(microseconds=1), "anchor_date": anchor}
        case CronSchedule(cron=text, day_or=day_or):
            return {"cron": asdict(parse_cron(text, day_or))}
        case RRuleSchedule(rrule=text):
            return {"rrule": asdict(parse_rrule(text, schedule.timezone))}
    assert_never(schedule)


def _plain(value: object) -> object:
    """JSON for what schedules are made of beyond JSON."""
    match value:
        case datetime():
            return value.isoformat()
        case frozenset():
            return sorted(value)
    raise TypeError(f"{type(value).__name__} is no JSON value, so it cannot be a schedule's parameter.")
