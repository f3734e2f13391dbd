"""Messages of a queue: each is a wakeup, and only those that failed come again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from skylift import faults
from skylift.wakeups import Wakeup
from skylift_functions.aws.deadline import Context
from skylift_functions.deadline import Deadline
from skylift_functions.installation import Installation
from skylift_functions.messages import from_text, wait_for


def is_batch(event: dict[str, Any]) -> bool:
    """Whether the event comes from a queue."""
    records = event.get("Records")
    return isinstance(records, list) and bool(records) and records[0].get("eventSource") == "aws:sqs"


class HandOnError(Exception):
    """A wakeup could not be sent on, so this message has to come again."""


class Wakes:
    """One batch, and what is done for each wakeup in it."""

    def __init__(
        self, here: Installation, logger: Logger, deadline: Deadline, act: Callable[[Wakeup, Deadline], bool]
    ) -> None:
        """`act` does what the wakeup asks for; False: time ran out before all was done."""
        self.here, self.logger, self.deadline, self.act = here, logger, deadline, act
        self._done: set[Wakeup] = set()

    def answer(self, event: dict[str, Any], context: Context) -> dict[str, Any]:
        """What Lambda wants to hear: `batchItemFailures`."""
        processor = BatchProcessor(EventType.SQS, raise_on_entire_batch_failure=False)
        answer = process_partial_response(event, self._take, processor, context)  # type: ignore[arg-type]
        return dict(answer)

    def _take(self, record: SQSRecord) -> None:
        self.logger.set_correlation_id(record.message_id)
        try:
            self._wake(*from_text(record.body))
        except Exception as error:
            self.logger.error("Message %s failed, and comes again: %s", record.message_id, faults.told(error))
            raise

    def _wake(self, wakeup: Wakeup, at: datetime) -> None:
        if wakeup in self._done:
            return  # an equal one was in the same batch, and what it was about is done since
        if not wait_for(at) or self.deadline.is_over or not self.act(wakeup, self.deadline):
            self._hand_on(wakeup, at)
        else:
            self._done.add(wakeup)

    def _hand_on(self, wakeup: Wakeup, at: datetime) -> None:
        self.here.wakeups.send_again(wakeup, at)
        if not self.here.wakeups.flush():
            raise HandOnError
