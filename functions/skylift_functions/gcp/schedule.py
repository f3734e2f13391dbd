"""The function `schedule`: Cloud Scheduler's timer, whose requests say nothing, and Cloud Tasks where schedules want to
be continued between two of its ticks."""

from __future__ import annotations

from functools import partial

from skylift.wakeups import Schedule, Wakeup
from skylift_functions.gcp.requests import Answer, Request, Woken
from skylift_functions.gcp.telemetry import make_logger
from skylift_functions.messages import MalformedWakeupError
from skylift_functions.ticks import continue_schedules, tick

logger = make_logger("schedule")


def handler(request: Request) -> Answer:
    woken = Woken("schedule", logger)
    return woken.answer(request, partial(_act, woken))


def _act(woken: Woken, body: bytes) -> None:
    try:
        if body.strip():
            woken.wake(body, partial(_continue, woken))
        else:
            tick(woken.here, woken.deadline, woken.metrics.count)
            woken.here.wakeups.flush()
    finally:
        woken.here.parts.store.close()  # until the next tick a connection would only keep the database awake


def _continue(woken: Woken, wakeup: Wakeup) -> bool:
    if not isinstance(wakeup, Schedule):
        raise MalformedWakeupError
    return continue_schedules(woken.here, woken.deadline)
