"""The function `schedule`: the timer, and SQS where schedules want to be continued between two of its ticks."""

from __future__ import annotations

from functools import partial
from typing import Any

from skylift.wakeups import Schedule, Wakeup
from skylift_functions import deadline as times
from skylift_functions.aws.batches import Wakes, is_batch
from skylift_functions.aws.deadline import Context, Deadline
from skylift_functions.aws.installation import installation
from skylift_functions.aws.telemetry import count, make_logger, make_metrics, publish
from skylift_functions.aws.tracing import traced
from skylift_functions.ticks import continue_schedules, tick

logger, metrics = make_logger("schedule"), make_metrics()


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Context) -> dict[str, Any] | None:
    here, deadline = installation(), Deadline(context)
    try:
        if is_batch(event):
            return Wakes(here, logger, deadline, _act).answer(event, context)
        logger.set_correlation_id(str(event.get("id") or context.aws_request_id))
        with traced("tick"):
            tick(here, deadline, partial(count, metrics))
        return None
    finally:
        here.wakeups.flush()
        publish(metrics)
        here.parts.store.close()  # until the next tick a connection would only keep the database awake


def _act(wakeup: Wakeup, deadline: times.Deadline) -> bool:
    if not isinstance(wakeup, Schedule):
        raise TypeError(f"{type(wakeup).__name__} is in the queue of schedule")
    with traced("continue_schedules"):
        return continue_schedules(installation(), deadline)
