"""Runs in Prefect's own environment: schedules as JSON lines' array on stdin, their slots as JSON on stdout.

Each request is {"schedule": wire shape, "start": ISO, "end": ISO, "n": int}; each answer is a list of ISO instants in
UTC, or {"error": text} where Prefect refuses the schedule or fails on it.
"""

from __future__ import annotations

import asyncio
import json
import sys
from datetime import datetime, timezone
from typing import Any


def answer(request: dict[str, Any]) -> object:
    from prefect.server.schemas import schedules  # type: ignore[import-not-found,unused-ignore]

    classes = {
        "interval": schedules.IntervalSchedule,
        "cron": schedules.CronSchedule,
        "rrule": schedules.RRuleSchedule,
    }
    try:
        fields = request["schedule"]
        kind = next(kind for kind in classes if kind in fields)
        schedule = classes[kind].model_validate(fields)
        bounds = {name: datetime.fromisoformat(request[name]) for name in ("start", "end")}
        dates = asyncio.run(schedule.get_dates(n=request["n"], **bounds))
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}
    return [date.astimezone(timezone.utc).isoformat() for date in dates]  # noqa: UP017 - any Python runs this


if __name__ == "__main__":
    json.dump([answer(request) for request in json.load(sys.stdin)], sys.stdout)
