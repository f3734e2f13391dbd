"""The function `observe`: EventBridge says that something became of a task, or SQS that attempts want to be looked
at."""

from __future__ import annotations

from functools import partial
from typing import Any

from skylift.wakeups import Observe, Wakeup
from skylift_functions import deadline as times
from skylift_functions.aws.batches import Wakes, is_batch
from skylift_functions.aws.deadline import Context, Deadline
from skylift_functions.aws.installation import installation
from skylift_functions.aws.telemetry import count, make_logger, make_metrics, publish
from skylift_functions.aws.tracing import traced
from skylift_functions.sweeps import hear, sweep

SPEAKERS = {"aws.ecs": "ecs:push"}
"""Providers by the source of their events."""

logger, metrics = make_logger("observe"), make_metrics()


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Context) -> dict[str, Any] | None:
    here, deadline = installation(), Deadline(context)
    try:
        if is_batch(event):
            return Wakes(here, logger, deadline, _act).answer(event, context)
        logger.set_correlation_id(str(event.get("id", "")))
        with traced("hear") as about:
            about["source"] = str(event.get("source"))
            hear(here, SPEAKERS.get(str(event.get("source"))), event, partial(count, metrics))
        return None
    finally:
        here.wakeups.flush()
        publish(metrics)


def _act(wakeup: Wakeup, deadline: times.Deadline) -> bool:
    if not isinstance(wakeup, Observe):
        raise TypeError(f"{type(wakeup).__name__} is in the queue of observe")
    with traced("sweep"):
        return sweep(installation(), deadline, partial(count, metrics))
