"""Wakeups by SQS: a queue for each verb, delayed to the second.

A message may be delayed by a quarter of an hour. What lies further ahead is not sent: the timer comes by every five
minutes, sees what will be due before its next tick, and sends a wakeup for it then. So an installation in which nothing
is due has no message under way.

Sending is a thread's work, so that nobody waits for it; a function calls `flush` before it returns, for after that its
threads stand still.
"""

from __future__ import annotations

import json
import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from skylift.wakeups import Dispatch, Observe, Schedule, Wakeup
from skylift_functions.aws.sdk import client, code_of

log = logging.getLogger(__name__)

LONGEST = timedelta(seconds=900)
"""The longest delay that SQS knows."""
GRID = 5
"""Seconds. Wakeups that name nothing are delivered at multiples of this, so that one stands for many."""
PER_CALL = 10
Planned = tuple[Wakeup, datetime]


class MalformedWakeupError(ValueError):
    """A message is no wakeup: whoever sent it is not Skylift. After some deliveries it is in the dead-letter queue."""


def to_text(wakeup: Wakeup, at: datetime) -> str:
    """As the body of a message."""
    about = {"pool_id": str(wakeup.pool_id)} if isinstance(wakeup, Dispatch) else {}
    return json.dumps({"verb": verb_of(wakeup), **about, "at": at.isoformat()})


def from_text(body: str) -> Planned:
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


class SqsWakeups:
    """A delay queue. See `skylift.wakeups.Wakeups`."""

    def __init__(
        self,
        queues: Mapping[str, str],
        *,
        sqs: Callable[[], Any] = lambda: client("sqs"),
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`queues`: URLs by verb."""
        self._queues, self._sqs, self._now = queues, sqs, now
        self._waiting: deque[Planned] = deque()
        self._planned: dict[Planned, None] = {}
        """What is waiting, and what was sent and cannot have been delivered yet."""
        self._change = threading.Condition()
        self._sending = False
        self._lost = 0

    def send(self, wakeup: Wakeup, at: datetime) -> None:
        """Deliver at `at`; beyond a quarter of an hour the timer sees to it."""
        now = self._now()
        planned = wakeup, _when(wakeup, max(at, now), now)
        if planned[1] > now + LONGEST:
            return
        with self._change:
            if planned in self._planned:
                return
            self._planned[planned] = None
            self._waiting.append(planned)
            if not self._sending:
                self._sending = self._begin()

    def _begin(self) -> bool:
        try:
            threading.Thread(target=self._work, name="wakeups", daemon=True).start()
        except RuntimeError:  # there are too many threads: `flush` sends it
            return False
        return True

    def flush(self, patience: float = 10.0) -> bool:
        """Wait until all is sent; says whether all that was asked for since the last time is."""
        with self._change:
            left_over = bool(self._waiting) and not self._sending
            self._sending = self._sending or left_over
        if left_over:
            self._work()
        with self._change:
            done = self._change.wait_for(lambda: not self._sending, patience)
            lost, self._lost = self._lost, 0
        return done and not lost

    def _work(self) -> None:
        while True:
            with self._change:
                if not self._waiting:
                    self._sending = False
                    self._forget()
                    self._change.notify_all()
                    return
                planned = [self._waiting.popleft() for _ in range(min(len(self._waiting), PER_CALL))]
                for each in planned:
                    # From here on it may be delivered, and what is written later must have one of its own.
                    if _delay(each[1], self._now()) < 1:
                        self._planned.pop(each, None)
            for queue, some in _by_queue(planned):
                self._send(queue, some)

    def _send(self, verb: str, planned: list[Planned]) -> None:
        try:
            entries = [
                {"Id": str(i), "MessageBody": to_text(*each), "DelaySeconds": _delay(each[1], self._now())}
                for i, each in enumerate(planned)
            ]
            answer = self._sqs().send_message_batch(QueueUrl=self._queues[verb], Entries=entries)
            failed = answer.get("Failed", [])
            reason = failed[0].get("Code") if failed else None
        except Exception as error:
            failed, reason = planned, code_of(error)
        if failed:
            log.error("%d wakeups of %s could not be sent (%s); the timer brings them up", len(failed), verb, reason)
            with self._change:
                self._lost += len(failed)
                for each in planned:
                    self._planned.pop(each, None)

    def _forget(self) -> None:
        """Those whose time is so near that they may have been delivered."""
        now = self._now()
        for each in [each for each in self._planned if _delay(each[1], now) < 1]:
            del self._planned[each]


def _when(wakeup: Wakeup, at: datetime, now: datetime) -> datetime:
    """When it is to come: what can stand for others, and is not wanted at once, on the grid."""
    if isinstance(wakeup, Dispatch) or at <= now + timedelta(seconds=1):
        return at
    return datetime.fromtimestamp(math.ceil(at.timestamp() / GRID) * GRID, UTC)


def _delay(at: datetime, now: datetime) -> int:
    """Whole seconds, rather too few: the handler waits for the rest."""
    return min(int(LONGEST.total_seconds()), max(0, math.floor((at - now).total_seconds())))


def _by_queue(planned: list[Planned]) -> Iterator[tuple[str, list[Planned]]]:
    found: dict[str, list[Planned]] = {}
    for each in planned:
        found.setdefault(verb_of(each[0]), []).append(each)
    yield from found.items()


def wait_for(at: datetime, sleep: Callable[[float], None] = time.sleep) -> bool:
    """Wait for the rest of a second; False where it is longer: then it is to be sent again."""
    left = (at - datetime.now(UTC)).total_seconds()
    if left > 1:
        return False
    if left > 0:
        sleep(left)
    return True
