"""Schedules: what is refused and how, what the slots are, and that nothing but the text decides them."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from skylift.errors import InvalidError
from skylift.models.schedules import IntervalSchedule, Schedule, parse_schedule
from skylift.recurrence import content_identity, slots_after

ZONES = ("UTC", "America/New_York", "Europe/Dublin", "Australia/Lord_Howe", "Pacific/Apia", "Africa/Casablanca")
MICROSECOND = timedelta(microseconds=1)


def slots(schedule: dict[str, Any], after: str, count: int = 5) -> list[str]:
    """The next slots in local time, with their offset."""
    zone = ZoneInfo(schedule.get("timezone", "UTC"))
    moment = datetime.fromisoformat(after).replace(tzinfo=zone)
    found = islice(slots_after(parse_schedule(schedule), moment), count)
    return [slot.astimezone(zone).isoformat() for slot in found]


@pytest.mark.parametrize(
    ("schedule", "after", "expected"),
    [
        ({"cron": "30 2 * * *"}, "2026-03-07", ["07T02:30:00-05", "08T03:00:00-04", "09T02:30:00-04"]),
        ({"cron": "0,30 2,3 * * *"}, "2026-03-08", ["08T03:00:00-04", "08T03:30:00-04", "09T02:00:00-04"]),
        ({"cron": "30 1 * * *"}, "2026-11-01", ["01T01:30:00-04", "02T01:30:00-05", "03T01:30:00-05"]),
        ({"cron": "30 * * * *"}, "2026-11-01T01:00", ["01T01:30:00-04", "01T01:30:00-05", "01T02:30:00-05"]),
        ({"cron": "30 * * * *"}, "2026-03-08T01:00", ["08T01:30:00-05", "08T03:30:00-04", "08T04:30:00-04"]),
        ({"interval": 86400}, "2026-03-07T01:00", ["08T00:00:00-05", "09T00:00:00-04", "10T00:00:00-04"]),
        ({"interval": 43200}, "2026-03-08T01:00", ["08T13:00:00-04", "09T01:00:00-04", "09T13:00:00-04"]),
        ({"rrule": "FREQ=DAILY;BYHOUR=2"}, "2026-03-07", ["07T02:00:00-05", "08T03:00:00-04", "09T02:00:00-04"]),
        ({"rrule": "FREQ=HOURLY"}, "2026-11-01T00:30", ["01T01:00:00-04", "01T01:00:00-05", "01T02:00:00-05"]),
        (
            {"rrule": "DTSTART:20260310T090000\nRRULE:FREQ=DAILY;COUNT=4\nEXDATE:20260311T090000"},
            "2026-03-01",
            ["10T09:00:00-04", "12T09:00:00-04", "13T09:00:00-04"],
        ),
        (
            {"rrule": "RRULE:FREQ=WEEKLY;BYDAY=MO EXRULE:FREQ=MONTHLY;BYDAY=1MO RDATE:20260306T120000Z"},
            "2026-03-01",
            ["06T12:00:00-05", "09T00:00:00-04", "16T00:00:00-04"],
        ),
    ],
)
def test_new_york(schedule: dict[str, Any], after: str, expected: list[str]) -> None:
    found = slots({**schedule, "timezone": "America/New_York"}, after, len(expected))
    assert [slot[8:-3] for slot in found] == expected


@pytest.mark.parametrize(
    ("cron", "day_or", "expected"),
    [
        ("0 0 13 * FRI", True, ["02-06", "02-13", "02-20", "02-27", "03-06"]),
        ("0 0 13 * FRI", False, ["02-13", "03-13", "11-13"]),
        ("0 0 * * FRI", False, ["02-06", "02-13"]),
        ("0 0 L * *", True, ["02-28", "03-31", "04-30"]),
        ("0 0 * * L5", True, ["02-27", "03-27", "04-24"]),
        ("0 0 * * 5#2", True, ["02-13", "03-13", "04-10"]),
        ("0 0 * FEB,nov SAT-SUN", True, ["02-07", "02-08", "02-14"]),
        ("@monthly", True, ["03-01", "04-01"]),
        ("0 0 29 2 *", True, ["02-29"]),
    ],
)
def test_the_days_of_cron(cron: str, day_or: bool, expected: list[str]) -> None:
    found = slots({"cron": cron, "day_or": day_or}, "2026-02-01", len(expected))
    assert [slot[5:10] for slot in found] == expected


def test_a_sixth_field_is_for_seconds() -> None:
    found = slots({"cron": "* * * * * */20"}, "2026-02-01", 3)
    assert found == [f"2026-02-01T00:0{n}+00:00" for n in ("0:20", "0:40", "1:00")]


@pytest.mark.parametrize(
    ("document", "field", "words"),
    [
        ({"interval": 0}, "interval", "from 1 s"),
        ({"interval": 10**9}, "interval", "3660 days"),
        ({"interval": "soon"}, "interval", "duration"),
        ({"interval": 60, "anchor_date": "1066-10-14T09:00:00Z"}, "anchor_date", "1900"),
        ({"interval": 60, "every": 3}, "every", "no such field"),
        ({"cron": "* * * * *", "rrule": "FREQ=DAILY"}, "rrule", "no such field"),
        ({"cron": "* * * * *", "timezone": "Mars/Olympus"}, "timezone", "'Mars/Olympus'"),
        ({"cron": "* * * * *", "timezone": "localtime"}, "timezone", "'localtime'"),
        ({"cron": "* * * *"}, "cron", "has 4 fields"),
        ({"cron": "60 * * * *"}, "cron", "'60' is no minute"),
        ({"cron": "0 24 * * *"}, "cron", "'24' is no hour"),
        ({"cron": "0 0 0 * *"}, "cron", "'0' is no day of month"),
        ({"cron": "0 0 * 13 *"}, "cron", "'13' is no month"),
        ({"cron": "0 0 * * FRIDAY"}, "cron", "'friday' is no day of week"),
        ({"cron": "0 0 * * 5#6"}, "cron", "'5#6' is no day of week"),
        ({"cron": "*/0 * * * *"}, "cron", "'*/0' is no minute"),
        ({"cron": "H * * * *"}, "cron", "'h' is no minute"),
        ({"cron": "5-5 * * * *"}, "cron", "one value"),
        ({"cron": "0 0 31 2 *"}, "cron", "never fires"),
        ({"cron": "0 0 31 2 MON", "day_or": False}, "day_or", "never fires"),
        ({"rrule": ""}, "rrule", "neither"),
        ({"rrule": "RRULE:INTERVAL=2"}, "rrule", "FREQ"),
        ({"rrule": "FREQ=DAILY;BYFOO=2"}, "rrule", "'BYFOO'"),
        ({"rrule": "FREQ=DAILY;BYHOUR=24"}, "rrule", "BYHOUR=24"),
        ({"rrule": "FREQ=DAILY;BYSETPOS=0"}, "rrule", "BYSETPOS=0"),
        ({"rrule": "FREQ=DAILY;BYDAY=1MO"}, "rrule", "FREQ=MONTHLY"),
        ({"rrule": "FREQ=DAILY;BYWEEKNO=20"}, "rrule", "BYWEEKNO needs FREQ=YEARLY"),
        ({"rrule": "FREQ=DAILY;COUNT=3;UNTIL=20270101"}, "rrule", "UNTIL and COUNT"),
        ({"rrule": "FREQ=DAILY;UNTIL=20190101T000000"}, "rrule", "before DTSTART"),
        ({"rrule": "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30"}, "rrule", "never fires"),
        ({"rrule": "FREQ=HOURLY;INTERVAL=2;BYHOUR=9"}, "rrule", "never falls"),
        ({"rrule": "FREQ=DAILY EXRULE:FREQ=DAILY"}, "rrule", "never fires"),
        ({"rrule": "DTSTART;TZID=Europe/Paris:20260101T090000\nFREQ=DAILY"}, "rrule", "TZID=Europe/Paris"),
        ({"rrule": "DTSTART:yesterday\nRRULE:FREQ=DAILY"}, "rrule", "DTSTART=YESTERDAY"),
        ({"rrule": "FREQ=DAILY;BYHOUR=" + "1," * 3300 + "1"}, "rrule", "at most 6500"),
        ({}, "", "interval, cron and rrule"),
        ("daily", "", "interval, cron and rrule"),
    ],
)
def test_refusals_name_the_field(document: object, field: str, words: str) -> None:
    with pytest.raises(InvalidError) as caught:
        parse_schedule(document, field="schedules.0")
    assert caught.value.field == ".".join(filter(None, ("schedules.0", field)))
    assert caught.value.field in str(caught.value)
    assert words in str(caught.value)


def test_wire_shapes() -> None:
    adapter: TypeAdapter[Schedule] = TypeAdapter(Schedule)
    interval = parse_schedule({"interval": 90, "timezone": None, "anchor_date": None})
    assert isinstance(interval, IntervalSchedule)
    assert interval.interval == timedelta(seconds=90)
    assert json.loads(interval.model_dump_json()) == {
        "interval": 90.0,
        "anchor_date": "2020-01-01T00:00:00Z",
        "timezone": "UTC",
    }
    cron = {"cron": "0 9 * * *", "timezone": "Europe/Paris", "day_or": True}
    assert json.loads(parse_schedule(cron).model_dump_json()) == cron
    for schedule in (interval, parse_schedule(cron), parse_schedule({"rrule": "FREQ=DAILY"})):
        assert adapter.validate_json(schedule.model_dump_json()) == schedule


def test_without_an_anchor_it_is_the_first_of_2020_in_the_zone() -> None:
    tokyo = parse_schedule({"interval": 60, "timezone": "Asia/Tokyo"})
    assert isinstance(tokyo, IntervalSchedule)
    assert tokyo.anchor_date == datetime(2019, 12, 31, 15, tzinfo=UTC)
    local = parse_schedule({"interval": 60, "timezone": "Asia/Tokyo", "anchor_date": "2020-01-01T00:00:00"})
    assert local == tokyo
    first = next(
        slots_after(
            parse_schedule({"rrule": "FREQ=HOURLY", "timezone": "Asia/Tokyo"}), datetime(1990, 1, 1, tzinfo=UTC)
        )
    )
    assert first == tokyo.anchor_date


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"cron": "0 0 * * *"}, {"cron": "  0 0  * * * ", "timezone": "UTC", "day_or": True}),
        ({"cron": "@weekly"}, {"cron": "0 0 * * SUN"}),
        ({"cron": "0 0 * * 1-5"}, {"cron": "00 0/24 ? * mon,tue-FRI", "day_or": False}),
        ({"interval": 60}, {"interval": 60.0, "anchor_date": "2020-01-01T01:00:00+01:00"}),
        ({"rrule": "FREQ=DAILY"}, {"rrule": "DTSTART:20200101T000000\nRRULE:BYHOUR=0;FREQ=DAILY;INTERVAL=1"}),
        ({"rrule": "FREQ=WEEKLY;BYDAY=MO,TU"}, {"rrule": "rrule:byday=tu,mo;freq=weekly"}),
    ],
)
def test_the_same_meaning_has_the_same_identity(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert content_identity(parse_schedule(one), {"a": 1, "b": [2]}) == content_identity(
        parse_schedule(other), {"b": [2], "a": 1}
    )


def test_different_meanings_have_different_identities() -> None:
    documents: list[dict[str, Any]] = [
        *({"cron": cron} for cron in ("0 0 * * *", "0 0 1 * *", "0 0 1 * 1", "0 0 * * * 1")),
        {"cron": "0 0 1 * 1", "day_or": False},
        {"cron": "0 0 * * *", "timezone": "Europe/Paris"},
        {"interval": 60},
        {"interval": 60, "anchor_date": "2020-01-01T00:00:01Z"},
        *({"rrule": rule} for rule in ("FREQ=DAILY", "FREQ=DAILY;COUNT=9", "DTSTART:20210101 FREQ=DAILY")),
    ]
    identities = [content_identity(parse_schedule(document), {}) for document in documents]
    identities.append(content_identity(parse_schedule({"interval": 60}), {"x": 1}))
    assert len(set(identities)) == len(identities)
    # Written down, because stored slots refer to it: if it changes, every schedule without a slug moves.
    assert content_identity(parse_schedule({"interval": 60}), {}) == PINNED


PINNED = "a9fb070ca5b46e0b2d65b5094e7fbf4c6951ab7e9076dbdff04d332ba99bc34e"


def field_text(low: int, high: int) -> st.SearchStrategy[str]:
    number = st.integers(low, high)
    spans = st.tuples(number, number).filter(lambda ends: ends[0] < ends[1]).map(lambda e: f"{e[0]}-{e[1]}")
    return st.one_of(st.just("*"), number.map(str), spans, st.integers(1, 9).map(lambda step: f"*/{step}"))


crons = st.tuples(field_text(0, 59), field_text(0, 23), field_text(1, 28), field_text(1, 12), field_text(0, 6)).map(
    lambda parts: {"cron": " ".join(parts)}
)
intervals = st.one_of(
    st.integers(1, 10**6).map(lambda n: {"interval": n}), st.integers(1, 40).map(lambda n: {"interval": n * 86400})
)
rrules = st.builds(
    lambda freq, interval, filters: {"rrule": f"FREQ={freq};INTERVAL={interval}{filters}"},
    st.sampled_from(["YEARLY", "MONTHLY", "WEEKLY", "DAILY", "HOURLY", "MINUTELY", "SECONDLY"]),
    st.integers(1, 6),  # every seventh day is never a Monday
    st.sampled_from(["", ";BYDAY=MO,TU", ";BYMONTHDAY=1,-1", ";BYMONTH=1,10", ";BYMONTH=1;BYDAY=SU", ";COUNT=500"]),
)
documents = st.tuples(st.one_of(crons, intervals, rrules), st.sampled_from(ZONES)).map(
    lambda pair: {**pair[0], "timezone": pair[1]}
)
instants = st.datetimes(datetime(2009, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@given(documents, instants, st.integers(0, 11))
@settings(max_examples=150, deadline=None)
def test_ascending_strictly_after_and_the_same_from_any_restart(
    document: dict[str, Any], after: datetime, stop: int
) -> None:
    schedule = parse_schedule(document)
    found = list(islice(slots_after(schedule, after), 12))
    assert all(slot.tzinfo is UTC for slot in found)
    assert all(earlier < later for earlier, later in pairwise([after, *found]))
    if stop < len(found):
        restarted = list(islice(slots_after(parse_schedule(dict(document)), found[stop]), len(found) - stop - 1))
        assert restarted == found[stop + 1 :]
        again = next(slots_after(schedule, found[stop] - MICROSECOND))
        assert again == found[stop]
        bounded = list(slots_after(schedule, after, before=found[stop]))
        assert bounded == found[: stop + 1]


@given(documents, instants)
@settings(max_examples=50, deadline=None)
def test_deployed_again_the_same_text_has_the_same_slots_and_identity(
    document: dict[str, Any], after: datetime
) -> None:
    schedule = parse_schedule(document)
    sent_back = parse_schedule(json.loads(schedule.model_dump_json()))
    assert content_identity(sent_back, {}) == content_identity(schedule, {})
    assert list(islice(slots_after(sent_back, after), 5)) == list(islice(slots_after(schedule, after), 5))


@pytest.mark.parametrize(
    "document",
    [
        {"interval": 1, "anchor_date": "1900-01-01T00:00:00Z"},
        {"interval": 86400, "anchor_date": "1900-01-01T00:00:00Z"},
        {"rrule": "DTSTART:19000101T000000 FREQ=SECONDLY"},
        {"rrule": "FREQ=MINUTELY"},
        {"rrule": "DTSTART:19000101T000000 FREQ=HOURLY;INTERVAL=7;BYDAY=MO"},
        {"rrule": "DTSTART:19000101T000000 FREQ=DAILY"},
        {"rrule": "DTSTART:19000101T000000 FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,TU;BYSETPOS=-1"},
        {"cron": "0 0 29 2 MON", "day_or": False},
    ],
)
def test_a_distant_anchor_costs_nothing(document: dict[str, Any]) -> None:
    schedule = parse_schedule({**document, "timezone": "America/New_York"})
    after = datetime(2035, 6, 1, tzinfo=UTC)
    first = next(slots_after(schedule, after))
    begin = time.process_time()
    for _ in range(10):
        assert next(slots_after(schedule, after)) == first
    assert time.process_time() - begin < 1  # some milliseconds; a walk from the anchor takes seconds
