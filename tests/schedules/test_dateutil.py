"""Rules entered at a late period, against dateutil walking all the way from DTSTART, in UTC."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest
from dateutil.rrule import rrule, rrulestr

from skylift.errors import InvalidError
from skylift.models.schedules import parse_schedule
from skylift.recurrence import slots_after

FILTERS = {
    "BYMONTH": ("1", "2,3,11", "6,12"),
    "BYMONTHDAY": ("1", "31", "-1,15", "29,30"),
    "BYYEARDAY": ("1,100,-1", "60,366"),
    "BYWEEKNO": ("1,53", "20,-1", "52"),
    "BYEASTER": ("0", "-2,39"),
    "BYDAY": ("MO", "SA,SU", "MO,TU,WE,TH,FR"),
    "BYHOUR": ("0", "3,9,21", "23"),
    "BYMINUTE": ("0,30", "59", "7"),
    "BYSECOND": ("0,15", "59"),
    "BYSETPOS": ("1", "-1", "2,-2"),
    "WKST": ("SU", "TH"),
}


def some_rule(rng: random.Random) -> tuple[str, datetime]:
    """A rule, and a moment some periods after its DTSTART."""
    freq, days = rng.choice(
        (("YEARLY", 4000), ("MONTHLY", 900), ("WEEKLY", 300), ("DAILY", 90), ("HOURLY", 12), ("MINUTELY", 2))
    )
    filters = rng.sample(sorted(FILTERS), rng.choice((0, 1, 1, 2, 2, 3)))
    if filters == ["BYSETPOS"]:
        filters.append("BYHOUR")
    parts = [f"FREQ={freq}", f"INTERVAL={rng.choice((1, 1, 2, 3, 5, 26))}"]
    parts += [f"{name}={rng.choice(FILTERS[name])}" for name in filters]
    if freq in ("YEARLY", "MONTHLY") and rng.random() < 0.2 and "BYDAY" not in filters:
        parts.append("BYDAY=" + rng.choice(("1MO", "-1FR,2TU", "-2SU")))
    if rng.random() < 0.2:
        parts.append(f"COUNT={rng.choice((1, 7, 60))}")
    start = datetime(2019, 1, 1) + timedelta(seconds=rng.randrange(3 * 365 * 86400))  # noqa: DTZ001 - wall time
    return f"DTSTART:{start:%Y%m%dT%H%M%S}\nRRULE:{';'.join(parts)}", start + timedelta(days=rng.random() * days)


@pytest.mark.parametrize("count", [80, pytest.param(300, marks=pytest.mark.long)])
def test_a_late_entry_changes_nothing(count: int) -> None:
    rng = random.Random(5545)
    fired = 0
    for _ in range(count):
        text, after = some_rule(rng)
        try:
            schedule = parse_schedule({"rrule": text})
        except InvalidError as error:
            assert "never" in str(error) or "BYWEEKNO" in str(error)  # noqa: PT017 - the others are compared
            continue
        horizon = after + timedelta(days=600)
        ours = list(islice(slots_after(schedule, after.replace(tzinfo=UTC), before=horizon.replace(tzinfo=UTC)), 20))
        rule = rrulestr(text)
        assert isinstance(rule, rrule)
        if "COUNT" not in text:
            rule = rule.replace(until=horizon)
        later = (slot.replace(tzinfo=UTC) for slot in rule.xafter(after) if slot <= horizon)
        theirs = list(islice(later, 20))
        assert ours == theirs, (text, after)
        fired += bool(ours)
    assert fired > count / 2
