"""Wakeups by queues that delay their messages to the second, one for each verb.

What lies further ahead than `LONGEST` is not sent: the timer comes by every five minutes, sees what will be due before
its next tick, and sends a wakeup for it then. So an installation in which nothing is due has no message under way.

Sending is a thread's work, so that nobody waits for it; a function calls `flush` before it returns, for after that its
threads may stand still.
"""

from __future__ import annotations

import logging
import math
import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator
from contextvars import copy_context
from datetime import UTC, datetime, timedelta
from functools import partial

from skylift.wakeups import Dispatch, Wakeup
from skylift_functions.messages import Planned, to_text, verb_of

log = logging.getLogger(__name__)

LONGEST = timedelta(seconds=900)
"""How far ahead a wakeup is sent: three of the timer's ticks, and the longest delay that SQS knows."""
GRID = 5
"""Seconds. Wakeups that name nothing are delivered at multiples of this, so that one stands for many."""
PER_CALL = 10
Message = tuple[str, int]
"""Its text, and the delay in seconds."""


class DelayQueue(ABC):
    """See `skylift.wakeups.Wakeups`. A platform says how messages are handed over."""

    def __init__(self, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._now = now
        self._waiting: deque[Planned] = deque()
        self._planned: dict[Planned, None] = {}
        """What is waiting, and what was sent and cannot have been delivered yet."""
        self._change = threading.Condition()
        self._sending = False
        self._lost = 0

    @abstractmethod
    def hand_over(self, verb: str, messages: list[Message]) -> str | None:
        """Into the queue of the verb, at most `PER_CALL`; where one is not taken, why. May raise the SDK's errors."""

    @abstractmethod
    def code_of(self, error: Exception) -> str:
        """A word for an error, without any value that its text may quote."""

    def send(self, wakeup: Wakeup, at: datetime) -> None:
        """Deliver at `at`; beyond `LONGEST` the timer sees to it."""
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

    def send_again(self, wakeup: Wakeup, at: datetime) -> None:
        """As `send`, for a message that has come, be it too early: it stands for no other one any more."""
        with self._change:
            self._planned.pop((wakeup, at), None)
        self.send(wakeup, at)

    def _begin(self) -> bool:
        try:
            work = partial(copy_context().run, self._work)  # what it logs carries the sender's correlation id
            threading.Thread(target=work, name="wakeups", daemon=True).start()
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
            reason = self.hand_over(verb, [(to_text(*each), _delay(each[1], self._now())) for each in planned])
        except Exception as error:
            reason = self.code_of(error)
        if reason:
            log.error("Wakeups of %s could not be sent (%s); the timer brings them up", verb, reason)
            with self._change:
                self._lost += len(planned)
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
