"""The function `observe`: Pub/Sub says that an execution ended, or Cloud Tasks that attempts want to be looked at.

An event comes as Pub/Sub pushes it, or as Eventarc's CloudEvent with the same content: its body is told from a wakeup's
by what is in it.
"""

from __future__ import annotations

import json
from functools import partial
from typing import Any

from skylift.wakeups import Observe, Wakeup
from skylift_functions.gcp.requests import Answer, Request, Woken
from skylift_functions.gcp.telemetry import make_logger
from skylift_functions.messages import MalformedWakeupError
from skylift_functions.sweeps import hear, sweep

SPEAKER = "cloud-run-v2:push"
"""The provider that knows Google's events; `cloud-run:push` runs in the same jobs."""

logger = make_logger("observe")


def handler(request: Request) -> Answer:
    woken = Woken("observe", logger)
    return woken.answer(request, partial(_act, woken))


def _act(woken: Woken, body: bytes) -> None:
    event = _event(body)
    if event is None:
        woken.wake(body, partial(_look, woken))
    else:
        hear(woken.here, SPEAKER, event, woken.metrics.count)


def _event(body: bytes) -> dict[str, Any] | None:
    """None for a wakeup, and for what is neither: that is refused as a wakeup."""
    try:
        told = json.loads(body)
    except ValueError:
        return None
    return told if isinstance(told, dict) and "verb" not in told and told else None


def _look(woken: Woken, wakeup: Wakeup) -> bool:
    if not isinstance(wakeup, Observe):
        raise MalformedWakeupError
    return sweep(woken.here, woken.deadline, woken.metrics.count)
