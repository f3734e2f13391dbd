"""Wakeups by storage queues: one for each verb, whose messages stay invisible until their time.

A queue could hold them for seven days. They are sent a quarter of an hour ahead at most all the same, as on the other
platforms: the timer brings up what lies further ahead, and who changes a schedule leaves no message behind.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from skylift_functions.azure.platform import QUEUES
from skylift_functions.azure.queues import client, code_of
from skylift_functions.delay_queue import DelayQueue, Message

KEPT = 3600
"""Seconds that a message lives after its time: what nobody took by then, the timer has long brought up."""


class StorageQueueWakeups(DelayQueue):
    """See `skylift.wakeups.Wakeups`."""

    def __init__(
        self,
        *,
        queue: Callable[[str], Any] = client,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`queue`: the SDK's client by a queue's name."""
        super().__init__(now)
        self._queue = queue

    def hand_over(self, verb: str, messages: list[Message]) -> str | None:
        """One call each; those before one that failed are in the queue all the same."""
        queue = self._queue(QUEUES[verb])
        for text, delay in messages:
            queue.send_message(text, visibility_timeout=delay, time_to_live=delay + KEPT)
        return None

    def code_of(self, error: Exception) -> str:
        return code_of(error)
