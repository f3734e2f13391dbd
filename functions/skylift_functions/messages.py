"""Wakeups as messages: what a queue carries, on every platform."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID

from skylift.wakeups import Dispatch, Observe, Schedule, Wakeup

VERBS = ("dispatch", "observe", "schedule")
"""Those that have a queue."""
Planned = tuple[Wakeup, datetime]


class MalformedWakeupError(ValueError):
    """A message is no wakeup: whoever sent it is not Skylift. After some deliveries the queue puts it aside."""


def to_text(wakeup: Wakeup, at: datetime) -> str:
    """As the body of a message."""
    about = {"pool_id": str(wakeup.pool_id)} if isinstance(wakeup, Dispatch) else {}
    return json.dumps({"verb": verb_of(wakeup), **about, "at": at.isoformat()})


def from_text(body: str | bytes) -> Planned:
    """The wakeup, and when it is meant for. Raises `MalformedWakeupError`."""
    try:
        told = json.loads(body)
        at = datetime.fromisoformat(told["at"])
        if at.tzinfo is None:
            raise MalformedWakeupError
        match told["verb"]:
            case "dispatch":
                return Dispatch(UUID(told["pool_id"])), at
            case "observe":
                return Observe(), at
            case "schedule":
                return Schedule(), at
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise MalformedWakeupError from error
    raise MalformedWakeupError


def verb_of(wakeup: Wakeup) -> str:
    """Whose queue it goes to."""
    match wakeup:
        case Dispatch():
            return "dispatch"
        case Observe():
            return "observe"
        case Schedule():
            return "schedule"


def wait_for(at: datetime, sleep: Callable[[float], None] = time.sleep) -> bool:
    """Wait for the rest of a second; False where it is longer: then it is to be sent again."""
    left = (at - datetime.now(UTC)).total_seconds()
    if left > 1:
        return False
    if left > 0:
        sleep(left)
    return True
