"""Wakeups by SQS: a queue for each verb, whose messages may be delayed by a quarter of an hour."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from skylift_functions.aws.sdk import client, code_of
from skylift_functions.delay_queue import DelayQueue, Message


class SqsWakeups(DelayQueue):
    """See `skylift.wakeups.Wakeups`."""

    def __init__(
        self,
        queues: Mapping[str, str],
        *,
        sqs: Callable[[], Any] = lambda: client("sqs"),
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`queues`: URLs by verb."""
        super().__init__(now)
        self._queues, self._sqs = queues, sqs

    def hand_over(self, verb: str, messages: list[Message]) -> str | None:
        entries = [
            {"Id": str(number), "MessageBody": text, "DelaySeconds": delay}
            for number, (text, delay) in enumerate(messages)
        ]
        failed = self._sqs().send_message_batch(QueueUrl=self._queues[verb], Entries=entries).get("Failed", [])
        return str(failed[0].get("Code")) if failed else None

    def code_of(self, error: Exception) -> str:
        return code_of(error)
