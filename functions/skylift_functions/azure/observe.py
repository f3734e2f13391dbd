"""The functions `observe`, where attempts want to be looked at, and `observe_event`, where Event Grid says that a
container group was stopped or deleted. That one's container has ended, it never says: `observe` looks."""

from __future__ import annotations

import azure.functions as func

from skylift.wakeups import Observe, Wakeup
from skylift_functions.azure.invocations import Invocation, invoked, take
from skylift_functions.sweeps import hear, sweep

SPEAKER = "azure-container-instance:push"
"""The provider that the events are about."""


def wake(message: func.QueueMessage) -> None:
    take("observe", message, _act)


def _act(invocation: Invocation, wakeup: Wakeup) -> bool:
    if not isinstance(wakeup, Observe):
        raise TypeError(f"{type(wakeup).__name__} is in the queue of observe")
    return sweep(invocation.here, invocation.deadline, invocation.metrics.count)


def listen(event: func.EventGridEvent) -> None:
    told = {"eventType": event.event_type, "subject": event.subject, "data": event.get_json()}
    with invoked("observe_event", event.id) as invocation:
        hear(invocation.here, SPEAKER, told, invocation.metrics.count)
