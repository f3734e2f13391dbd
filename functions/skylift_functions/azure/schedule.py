"""The functions `schedule`, which the timer calls, and `schedule_wakeup`, where schedules want to be continued between
two of its ticks."""

from __future__ import annotations

import azure.functions as func

from skylift.wakeups import Schedule, Wakeup
from skylift_functions import ticks
from skylift_functions.azure.invocations import Invocation, invoked, take


def tick(context: func.Context) -> None:
    with invoked("schedule", context.invocation_id) as invocation:
        try:
            ticks.tick(invocation.here, invocation.deadline, invocation.metrics.count)
        finally:
            invocation.here.parts.store.close()  # until the next tick a connection would only keep the database awake


def wake(message: func.QueueMessage) -> None:
    take("schedule_wakeup", message, _act)


def _act(invocation: Invocation, wakeup: Wakeup) -> bool:
    if not isinstance(wakeup, Schedule):
        raise TypeError(f"{type(wakeup).__name__} is in the queue of schedule")
    return ticks.continue_schedules(invocation.here, invocation.deadline)
