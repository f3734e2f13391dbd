"""One invocation: what it works with, and what has to be done before it is over."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

import azure.functions as func

from skylift import faults
from skylift.wakeups import Wakeup
from skylift_functions.azure import installation as installations
from skylift_functions.azure.platform import MAX_DELIVERIES, TIMEOUT
from skylift_functions.azure.telemetry import Metrics, telling
from skylift_functions.deadline import Deadline
from skylift_functions.installation import Installation
from skylift_functions.messages import from_text, wait_for

log = logging.getLogger(__name__)


class MessageFailedError(Exception):
    """This message comes again; after some deliveries the runtime puts it into the poison queue."""


class HandOnError(Exception):
    """A wakeup could not be sent on, so this message has to come again."""


@dataclass(slots=True)
class Invocation:
    """Of one function."""

    here: Installation
    deadline: Deadline
    metrics: Metrics = field(default_factory=Metrics)

    def hand_on(self, wakeup: Wakeup, at: datetime) -> None:
        """Somebody else goes on with it. Raises `HandOnError`."""
        self.here.wakeups.send_again(wakeup, at)
        if not self.here.wakeups.flush():
            raise HandOnError


@contextmanager
def invoked(function: str, correlation_id: str, *, timeout: float = TIMEOUT) -> Iterator[Invocation]:
    """Around all that a function does. `correlation_id`: of the message, the event or the invocation itself."""
    with telling(function=function, correlation_id=correlation_id):
        made = Invocation(installations.installation(), Deadline(timeout))
        try:
            yield made
        finally:
            made.here.wakeups.flush()
            made.metrics.publish()


def take(function: str, message: func.QueueMessage, act: Callable[[Invocation, Wakeup], bool]) -> None:
    """A message is a wakeup. `act` does what it asks for; False: time ran out before all was done. Raises
    `MessageFailedError`."""
    with invoked(function, str(message.id)) as invocation:
        try:
            wakeup, at = from_text(message.get_body())
            if not wait_for(at) or invocation.deadline.is_over or not act(invocation, wakeup):
                invocation.hand_on(wakeup, at)
        except Exception as error:
            if (message.dequeue_count or 0) >= MAX_DELIVERIES:
                invocation.metrics.count(PoisonMessages=1)
            log.error("Message %s failed, and comes again: %s", message.id, faults.told(error))
            raise MessageFailedError(type(error).__name__) from None  # the runtime logs an error's words, ours or not
