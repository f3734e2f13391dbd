"""The function `dispatch`: a message says that something of a pool is due."""

from __future__ import annotations

import logging

import azure.functions as func

from skylift.dispatch import dispatch
from skylift.wakeups import Dispatch, Wakeup
from skylift_functions.azure.invocations import Invocation, take

log = logging.getLogger(__name__)


def wake(message: func.QueueMessage) -> None:
    take("dispatch", message, _act)


def _act(invocation: Invocation, wakeup: Wakeup) -> bool:
    if not isinstance(wakeup, Dispatch):
        raise TypeError(f"{type(wakeup).__name__} is in the queue of dispatch")
    report = dispatch(invocation.here.parts, wakeup.pool_id, until=invocation.deadline.until)
    invocation.metrics.launches(report)
    if report.claimed:
        log.info("Dispatched", extra={"pool": str(wakeup.pool_id), "claimed": report.claimed})
    return not invocation.deadline.is_over
