"""The function `dispatch`: Cloud Tasks says that something of a pool is due."""

from __future__ import annotations

from functools import partial

from skylift.dispatch import dispatch
from skylift.wakeups import Dispatch, Wakeup
from skylift_functions.gcp.requests import Answer, Request, Woken
from skylift_functions.gcp.telemetry import make_logger
from skylift_functions.messages import MalformedWakeupError

logger = make_logger("dispatch")


def handler(request: Request) -> Answer:
    woken = Woken("dispatch", logger)
    return woken.answer(request, lambda body: woken.wake(body, partial(_act, woken)))


def _act(woken: Woken, wakeup: Wakeup) -> bool:
    if not isinstance(wakeup, Dispatch):
        raise MalformedWakeupError
    report = dispatch(woken.here.parts, wakeup.pool_id, until=woken.deadline.until)
    woken.metrics.launches(report)
    if report.claimed:
        logger.info("Dispatched", extra={"pool": str(wakeup.pool_id), "claimed": report.claimed})
    return not woken.deadline.is_over
