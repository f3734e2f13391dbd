"""The function `observe`: EventBridge says that something became of a task, or SQS that attempts want to be looked at.

While attempts live there is always another wakeup on its way for the next one that wants to be looked at.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from skylift import observe
from skylift.wakeups import Observe, Wakeup
from skylift_functions.aws.batches import Wakes, is_batch
from skylift_functions.aws.deadline import Context, Deadline
from skylift_functions.aws.installation import Installation, installation
from skylift_functions.aws.telemetry import count, make_logger, make_metrics, publish

BREATH = timedelta(seconds=1)
AT_ONCE = 200
"""Attempts that are looked at before the time left is looked at again."""
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
        hear(here, event)
        return None
    finally:
        here.wakeups.flush()
        publish(metrics)


def hear(here: Installation, event: dict[str, Any]) -> int:
    """Look at the attempts that the event is about; says how many those are."""
    provider = SPEAKERS.get(str(event.get("source")))
    heard = observe.hear(here.parts, provider, event) if provider and provider in here.parts.providers else 0
    count(metrics, EventsHeard=heard)
    return heard


def _act(wakeup: Wakeup, deadline: Deadline) -> bool:
    if not isinstance(wakeup, Observe):
        raise TypeError(f"{type(wakeup).__name__} is in the queue of observe")
    return sweep(installation(), deadline)


def sweep(here: Installation, deadline: Deadline) -> bool:
    """Look at all whose time has come, and see to a wakeup for the next; False where time ran out before."""
    while looked := observe.observe(here.parts, limit=AT_ONCE):
        count(metrics, AttemptsLookedAt=looked)
        if looked < AT_ONCE:
            break
        if deadline.is_over:
            return False
    with here.parts.store.reading() as tx:
        at = observe.next_look(tx, here.parts.providers.types)
        soonest = tx.now + BREATH
    if at:
        here.wakeups.send(Observe(), max(at, soonest))
    return True
