"""Every change of every zone's clock from 2000 to 2040, against plain enumeration in UTC."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo

import pytest

from skylift.models.schedules import parse_schedule
from skylift.recurrence import slots_after
from tests.schedules.oracle import (
    Change,
    Matches,
    distinct_changes,
    enumerate_slots,
    shapes,
    wall_clock,
    zone_names,
)

DAY = timedelta(days=1)


@dataclass(frozen=True)
class Case:
    schedule: dict[str, Any]
    matches: Matches
    mode: Literal["once", "every", "utc"]


def cases(change: Change) -> Iterator[Case]:
    """Schedules that have something to do in the hours around this change, each with its meaning in plain words."""
    hour, minute = change.wall.hour, change.wall.minute
    inside = change.wall - abs(change.leap) / 2  # in the gap, or in the fold's first pass
    near = sorted({(hour + n) % 24 for n in (-2, -1, 0, 1)})
    hours = ",".join(map(str, near))
    yield Case(
        {"cron": f"{inside.minute} {inside.hour} * * *"},
        lambda wall: (wall.hour, wall.minute) == (inside.hour, inside.minute),
        "once",
    )
    yield Case({"cron": f"*/20 {hours} * * *"}, lambda w: w.minute % 20 == 0 and w.hour in near, "once")
    yield Case({"cron": "*/30 */2 * * *"}, lambda w: w.minute % 30 == 0 and w.hour % 2 == 0, "once")
    yield Case({"cron": f"{minute} * * * *"}, lambda w: w.minute == minute, "every")
    yield Case({"cron": "*/13 0-23 * * *"}, lambda w: w.minute % 13 == 0, "every")
    anchor = inside.replace(year=2001, month=5, day=5)
    yield Case(
        {"interval": 86400, "anchor_date": anchor.isoformat()},
        lambda wall: (wall - anchor) % DAY == timedelta(0),
        "once",
    )
    quarter, origin = timedelta(minutes=25), datetime(2007, 7, 7, 7, 7, tzinfo=UTC)
    yield Case(
        {"interval": quarter.total_seconds(), "anchor_date": origin.isoformat()},
        lambda instant: (instant - origin) % quarter == timedelta(0),
        "utc",
    )
    yield Case(
        {"rrule": f"DTSTART:19990101T000000\nRRULE:FREQ=DAILY;BYHOUR={hours};BYMINUTE=10,40"},
        lambda w: w.minute in (10, 40) and w.hour in near,
        "once",
    )
    start = datetime(1999, 1, 1)  # noqa: DTZ001 - wall time
    seven, five = timedelta(minutes=7), timedelta(hours=5)
    yield Case(
        {"rrule": "DTSTART:19990101T000000\nRRULE:FREQ=MINUTELY;INTERVAL=7"},
        lambda wall: (wall - start) % seven == timedelta(0),
        "every",
    )
    yield Case(
        {"rrule": "DTSTART:19990101T000000\nRRULE:FREQ=HOURLY;INTERVAL=5"},
        lambda wall: (wall - start) % five == timedelta(0),
        "every",
    )


def differences(changes: list[Change]) -> list[str]:
    found = []
    for change in changes:
        margin = abs(change.leap) + timedelta(hours=3)
        begin, end = change.instant - margin, change.instant + margin
        clock = wall_clock(ZoneInfo(change.zone), begin, end)
        for case in cases(change):
            schedule = parse_schedule({**case.schedule, "timezone": change.zone})
            ours = list(slots_after(schedule, begin - timedelta(microseconds=1), before=end - timedelta(minutes=1)))
            expected = enumerate_slots(clock, case.matches, case.mode)
            if ours != expected:
                found.append(f"{change} {case.schedule} {sorted(set(ours) ^ set(expected))}")
    return found


def test_each_shape_of_change() -> None:
    chosen = shapes(distinct_changes(timedelta(days=7)))
    assert len(chosen) > 40
    assert {change.leap for change in chosen} >= {timedelta(hours=n) for n in (-1, 1, 2, 3, 24)}
    assert differences(chosen) == []


@pytest.mark.long
@pytest.mark.timeout(900)
def test_every_change_of_every_zone() -> None:
    assert len(zone_names()) > 590
    changes = distinct_changes(timedelta(hours=6))
    assert len(changes) > 6_000
    assert differences(changes) == []
