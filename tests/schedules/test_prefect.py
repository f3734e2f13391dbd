"""Against the schedule classes of Prefect itself, in an environment of their own: one child process for all of them."""

from __future__ import annotations

import json
import os
import random
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from skylift.errors import InvalidError
from skylift.models.schedules import parse_schedule
from skylift.recurrence import slots_after

ROOT = Path(__file__).parents[2]
CHILD = Path(__file__).with_name("prefect_child.py")
ZONES = (
    *("UTC", "America/New_York", "Europe/Berlin", "Asia/Kolkata", "Asia/Kathmandu", "Australia/Lord_Howe"),
    *("America/Sao_Paulo", "Africa/Casablanca", "Pacific/Chatham", "America/Havana", "Asia/Tehran"),
)
QUIET = timedelta(days=2)
"""How far from a change of the clock the two must agree."""


@dataclass(frozen=True)
class Question:
    schedule: dict[str, Any]
    start: datetime
    end: datetime

    def as_json(self) -> dict[str, Any]:
        bounds = {"start": self.start.isoformat(), "end": self.end.isoformat()}
        return {"schedule": self.schedule, "n": 60, **bounds}

    def ours(self) -> list[datetime]:
        """Prefect includes the start."""
        slots = slots_after(parse_schedule(self.schedule), self.start - timedelta(microseconds=1), before=self.end)
        return [slot for slot, _ in zip(slots, range(60), strict=False)]


def ask_prefect(questions: Sequence[Question], home: Path) -> list[list[datetime] | str]:
    """Prefect's slots, or what it says instead of them."""
    python = Path(os.environ.get("SKYLIFT_PREFECT_PYTHON", ROOT / ".venv-prefect" / "bin" / "python"))
    if not python.exists():
        pytest.fail(f"There is no Prefect to compare with at {python}; `make setup` makes it.")
    child = subprocess.run(
        [python, "-W", "ignore", CHILD],
        input=json.dumps([question.as_json() for question in questions]),
        env={**os.environ, "PREFECT_HOME": str(home), "DO_NOT_TRACK": "1", "PREFECT_LOGGING_LEVEL": "CRITICAL"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    answers = json.loads(child.stdout)
    assert len(answers) == len(questions)
    return [
        answer["error"] if isinstance(answer, dict) else [datetime.fromisoformat(slot) for slot in answer]
        for answer in answers
    ]


def quiet_span(rng: random.Random, zone: str) -> tuple[datetime, datetime]:
    """Some days without any change of that zone's clock."""
    while True:
        start = datetime(2018, 1, 1, tzinfo=UTC) + timedelta(seconds=rng.randrange(20 * 365 * 86400))
        end = start + timedelta(days=rng.choice((3, 40, 70)))
        steps = int((end - start + 2 * QUIET) / timedelta(days=1)) + 1
        days = [start - QUIET + timedelta(days=n) for n in range(steps)]
        if len({day.astimezone(ZoneInfo(zone)).utcoffset() for day in days}) == 1:
            return start, end


def some_field(rng: random.Random, low: int, high: int) -> str:
    a, b = sorted(rng.sample(range(low, high + 1), 2))
    step = rng.randrange(1, 9)
    return rng.choice(("*", "*", str(a), f"{a},{b}", f"{a}-{b}", f"*/{step}", f"{a}-{b}/{step}", f"{a}/{step}"))


def some_cron(rng: random.Random) -> dict[str, Any]:
    """Without what Prefect cannot do (`docs/schedules.md`): a day 7 next to seconds, and numbered weekdays next to a
    day of the month."""
    day = rng.choice(("*", "*", "*", "?", "L", "1,L", "29-L", some_field(rng, 1, 28)))
    weekdays = ["*", "*", "?", "MON-FRI", "FRI-MON", "sun,3", "*/2", "0-6"]
    seconds = [some_field(rng, 0, 59)] if rng.random() < 0.1 else []
    weekdays += [] if seconds else ["0-7", "5-7", "7"]
    weekdays += ["5#2", "L5", "1#1,3#3"] if day in ("*", "?") else []
    month = rng.choice(("*", "*", "*", "JAN-JUN", "*/3", "nov-feb", some_field(rng, 1, 12)))
    fields = [some_field(rng, 0, 59), some_field(rng, 0, 23), day, month, rng.choice(weekdays), *seconds]
    text = rng.choice(("@hourly", "@daily", "@weekly", "@monthly")) if rng.random() < 0.05 else " ".join(fields)
    return {"cron": text, "day_or": rng.random() < 0.7}


def some_interval(rng: random.Random, start: datetime) -> dict[str, Any]:
    """The anchor is near, because far ones move with the season in Prefect."""
    anchor = start + timedelta(seconds=rng.randrange(-86400, 86400))
    seconds = rng.choice((1, 5, 60, 900, 3600, 5400, 86400, 129600, 172800, 604800, rng.randrange(1, 200_000)))
    return {"interval": float(seconds), "anchor_date": anchor.isoformat()}


def some_rrule(rng: random.Random, start: datetime) -> dict[str, Any]:
    """DTSTART is not far before the start, because Prefect walks from one to the other."""
    freq, reach = rng.choice(
        (("YEARLY", 3650), ("MONTHLY", 2000), ("WEEKLY", 700), ("DAILY", 300), ("HOURLY", 30), ("MINUTELY", 2))
    )
    dtstart = start - timedelta(minutes=rng.randrange(1440 * reach))
    parts = [f"FREQ={freq}", f"INTERVAL={rng.choice((1, 1, 1, 2, 3, 5))}"]
    optional = {
        "BYMONTH": rng.choice(("1,2,3,7,8", "6,7,12")),
        "BYMONTHDAY": rng.choice(("1,15,-1", "10,20,-2,-3")),
        "BYDAY": rng.choice(("1MO,-1FR", "2TU")) if freq in ("YEARLY", "MONTHLY") else rng.choice(("MO,WE", "SA,SU")),
        "BYHOUR": rng.choice(("0,6,12,18", "9", "3,4,5,17")),
        "BYMINUTE": rng.choice(("0,30", "17", "5,6,7")),
        "WKST": rng.choice(("SU", "MO", "WE")),
    }
    parts += [f"{name}={value}" for name, value in optional.items() if rng.random() < 0.25]
    if rng.random() < 0.15:
        parts += ["BYHOUR=8,10,20"] * ("BYHOUR" not in "".join(parts)) + [f"BYSETPOS={rng.choice((1, -1, 2))}"]
    if rng.random() < 0.1:
        parts.append(f"COUNT={rng.choice((100, 5000))}" if rng.random() < 0.5 else "UNTIL=20300101T000000")
    implied = freq in ("YEARLY", "MONTHLY") and rng.random() < 0.5
    lines = [] if implied else [f"DTSTART:{dtstart:%Y%m%dT%H%M00}"]
    lines.append("RRULE:" + ";".join(parts))
    if rng.random() < 0.1:
        lines += ["EXRULE:FREQ=DAILY;BYDAY=WE", f"RDATE:{start:%Y%m%d}T101112,{start:%Y%m%d}T111112"]
    return {"rrule": "\n".join(lines)}


def some_questions(rng: random.Random, count: int) -> Iterator[Question]:
    for n in range(count):
        zone = rng.choice(ZONES)
        start, end = quiet_span(rng, zone)
        kind = n % 3
        fields = some_cron(rng) if kind == 0 else some_interval(rng, start) if kind == 1 else some_rrule(rng, start)
        yield Question({**fields, "timezone": zone}, start, end)


def fires_later(question: Question) -> bool:
    """Whether there is a slot within two years after the end: Prefect looks for it up to the year 9999."""
    horizon = question.end + timedelta(days=730)
    try:
        later = slots_after(parse_schedule(question.schedule), question.end, before=horizon)
    except InvalidError:
        return False
    return next(later, None) is not None


Answers = Mapping[str, list[tuple[Question, list[datetime] | str]]]
"""Questions with Prefect's answers, by what they are for."""

NEW_YORK = "America/New_York"
SPRING = datetime(2026, 3, 7, 17, tzinfo=UTC)
AUTUMN = datetime(2026, 10, 31, 17, tzinfo=UTC)
SUMMER = datetime(2026, 7, 1, 0, 30, tzinfo=UTC)


def around(start: datetime, hours: int = 40, **schedule: Any) -> Question:
    return Question({**schedule, "timezone": NEW_YORK}, start, start + timedelta(hours=hours))


AGREE_AT_CHANGES = (
    around(AUTUMN, cron="30 2 * * *"),
    around(SPRING, cron="30 1 * * *"),
    around(AUTUMN, cron="30 1 * * *"),
    around(AUTUMN, cron="0 */2 * * *"),
    around(SPRING, cron="30 * * * *"),
    around(SPRING, 12, cron="*/15 * * * *"),
    around(SPRING, interval=21600.0, anchor_date="2026-03-01T05:00:00Z"),
    around(AUTUMN, interval=5400.0, anchor_date="2026-03-01T05:00:00Z"),
    around(SPRING, interval=86400.0, anchor_date="2026-03-01T14:00:00Z"),
    around(AUTUMN, rrule="DTSTART:20260101T013000\nRRULE:FREQ=DAILY"),
    around(SPRING, rrule="DTSTART:20260101T013000\nRRULE:FREQ=DAILY"),
    around(SPRING, rrule="DTSTART:20260101T003000\nRRULE:FREQ=HOURLY"),
)
DIFFER_ON_PURPOSE = {
    "a fixed hour in a gap": around(SPRING, cron="30 2 * * *"),
    "every second hour, one of them in a gap": around(SPRING, cron="0 */2 * * *"),
    "every hour in a fold": around(AUTUMN, cron="30 * * * *"),
    "a daily rule in a gap": around(SPRING, rrule="DTSTART:20260101T023000\nRRULE:FREQ=DAILY"),
    "an hourly rule in a fold": around(AUTUMN, rrule="DTSTART:20260101T003000\nRRULE:FREQ=HOURLY"),
    "days counted from another season": around(SUMMER, interval=86400.0, anchor_date="2026-01-01T14:00:00Z"),
    "a day and a half over a change": around(SPRING, interval=129600.0, anchor_date="2026-03-01T05:00:00Z"),
}


@pytest.fixture(scope="module")
def prefect(tmp_path_factory: pytest.TempPathFactory) -> Answers:
    groups: dict[str, Sequence[Question]] = {
        "quiet": [q for q in some_questions(random.Random(20260101), 600) if fires_later(q)],
        "agree": AGREE_AT_CHANGES,
        "differ": list(DIFFER_ON_PURPOSE.values()),
    }
    every = [question for questions in groups.values() for question in questions]
    answers = iter(ask_prefect(every, tmp_path_factory.mktemp("prefect")))
    return {name: [(question, next(answers)) for question in questions] for name, questions in groups.items()}


def test_the_same_slots_away_from_clock_changes(prefect: Answers) -> None:
    compared = [(question, question.ours(), theirs) for question, theirs in prefect["quiet"]]
    assert [each for each in compared if each[1] != each[2]] == []
    assert sum(bool(ours) for _, ours, _ in compared) > 400


def test_the_same_slots_at_clock_changes_where_the_rules_agree(prefect: Answers) -> None:
    compared = [(question, question.ours(), theirs) for question, theirs in prefect["agree"]]
    assert [each for each in compared if each[1] != each[2]] == []
    assert all(ours for _, ours, _ in compared)


def test_what_the_documentation_lists_as_different_is_different(prefect: Answers) -> None:
    same = [question for question, theirs in prefect["differ"] if question.ours() == theirs]
    assert same == []
    assert all(isinstance(theirs, list) for _, theirs in prefect["differ"])
