"""Wakeups by SQS: a queue for each verb, delayed to the second."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from skylift_functions.aws.sdk import client, code_of
from skylift_functions.delay_queues import DelayQueues, Lost, Planned, delay, to_text


class SqsWakeups(DelayQueues):
    """Messages of one call go to one queue; those that SQS refuses are lost, and the timer brings them up."""

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

    def post(self, verb: str, planned: Sequence[Planned]) -> Lost:
        entries = [
            {"Id": str(i), "MessageBody": to_text(*each), "DelaySeconds": delay(each[1], self._now())}
            for i, each in enumerate(planned)
        ]
        try:
            answer = self._sqs().send_message_batch(QueueUrl=self._queues[verb], Entries=entries)
        except Exception as error:
            return Lost(planned, code_of(error))
        failed = answer.get("Failed", [])
        return Lost([planned[int(each["Id"])] for each in failed], failed[0].get("Code") if failed else None)
