"""The function `dispatch`: SQS says that something of a pool is due."""

from __future__ import annotations

from typing import Any

from skylift.dispatch import dispatch
from skylift.wakeups import Dispatch, Wakeup
from skylift_functions import deadline as times
from skylift_functions.aws.batches import Wakes
from skylift_functions.aws.deadline import Context, Deadline
from skylift_functions.aws.installation import installation
from skylift_functions.aws.telemetry import make_logger, make_metrics, publish, tell_launches
from skylift_functions.aws.tracing import traced

logger, metrics = make_logger("dispatch"), make_metrics()


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Context) -> dict[str, Any]:
    here = installation()
    try:
        return Wakes(here, logger, Deadline(context), _act).answer(event, context)
    finally:
        here.wakeups.flush()
        publish(metrics)


def _act(wakeup: Wakeup, deadline: times.Deadline) -> bool:
    if not isinstance(wakeup, Dispatch):
        raise TypeError(f"{type(wakeup).__name__} is in the queue of dispatch")
    with traced("dispatch") as about:
        about["pool"] = str(wakeup.pool_id)
        report = dispatch(installation().parts, wakeup.pool_id, until=deadline.until)
        about |= {"claimed": report.claimed, "launched": report.launched}
    tell_launches(metrics, report)
    if report.claimed:
        logger.info("Dispatched", extra={"pool": str(wakeup.pool_id), "claimed": report.claimed})
    return not deadline.is_over
