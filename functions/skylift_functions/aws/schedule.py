"""The function `schedule`: the timer, and SQS where schedules want to be continued between two of its ticks.

A tick begins with one short read of the database. Where that finds nothing due it was all: the database may sleep on.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.exc import ProgrammingError

from skylift import cleanup, schedule
from skylift.parts import Parts
from skylift.retention import retention
from skylift.store import Tx
from skylift.store.schema_version import HEAD
from skylift.upcoming import Upcoming, upcoming
from skylift.wakeups import Dispatch, Observe, Schedule, Wakeup
from skylift_functions.aws.batches import Wakes, is_batch
from skylift_functions.aws.deadline import Context, Deadline
from skylift_functions.aws.installation import Installation, installation
from skylift_functions.aws.telemetry import count, make_logger, make_metrics, publish, tell_tick

EVERY = timedelta(minutes=5)
AHEAD = EVERY + timedelta(minutes=1)
"""What is due up to then gets its wakeup now: the next tick may be a little late."""
AT_ONCE = 100
"""Schedules that are continued before the time left is looked at again."""
RETENTION_HOUR = 3

logger, metrics = make_logger("schedule"), make_metrics()


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Context) -> dict[str, Any] | None:
    here, deadline = installation(), Deadline(context)
    try:
        if is_batch(event):
            return Wakes(here, logger, deadline, _act).answer(event, context)
        logger.set_correlation_id(str(event.get("id") or context.aws_request_id))
        tick(here, deadline)
        return None
    finally:
        here.wakeups.flush()
        publish(metrics)
        here.parts.store.close()  # until the next tick a connection would only keep the database awake


def _act(wakeup: Wakeup, deadline: Deadline) -> bool:
    if not isinstance(wakeup, Schedule):
        raise TypeError(f"{type(wakeup).__name__} is in the queue of schedule")
    here = installation()
    if not continue_all(here.parts, deadline):
        return False
    with here.parts.store.reading() as tx:
        at = schedule.next_tick(tx)
    if at:
        here.wakeups.send(Schedule(), at)
    return True


def tick(here: Installation, deadline: Deadline) -> None:
    """The timer's: whatever wakeups and events have left undone is done or woken here."""
    coming = look(here.parts)
    tell_tick(metrics, coming)
    for wakeup, at in wakeups_for(coming):
        here.wakeups.send(wakeup, at)
    if (coming.unmarked or is_due(coming.schedule_at, coming)) and not continue_all(here.parts, deadline):
        here.wakeups.send(Schedule(), coming.now)
    keep_clean(here.parts, coming, deadline)


def look(parts: Parts) -> Upcoming:
    """What there is to do, in one transaction; the first one of a new version brings the tables up to date."""
    try:
        with parts.store.reading() as tx:
            if parts.store.version(tx) == HEAD:
                return _upcoming(parts, tx)
    except ProgrammingError:  # there are no tables yet
        pass
    parts.store.ensure_current()
    with parts.store.reading() as tx:
        return _upcoming(parts, tx)


def _upcoming(parts: Parts, tx: Tx) -> Upcoming:
    late_after = timedelta(seconds=parts.settings.late_after)
    return upcoming(tx, parts.providers.types, until=tx.now + AHEAD, late_after=late_after)


def is_due(at: datetime | None, coming: Upcoming) -> bool:
    return at is not None and at <= coming.now


def wakeups_for(coming: Upcoming) -> Iterator[tuple[Wakeup, datetime]]:
    """A wakeup for each thing that is due before the next tick."""
    until = coming.now + AHEAD
    for pool, at in coming.pools.items():
        yield Dispatch(pool), at
    if coming.observe_at and coming.observe_at <= until:
        yield Observe(), coming.observe_at
    if coming.schedule_at and coming.now < coming.schedule_at <= until:
        yield Schedule(), coming.schedule_at


def continue_all(parts: Parts, deadline: Deadline) -> bool:
    """Continue the schedules whose time has come; False where time ran out before."""
    while schedule.schedule(parts, limit=AT_ONCE) == AT_ONCE:
        if deadline.is_over:
            return False
    return True


def keep_clean(parts: Parts, coming: Upcoming, deadline: Deadline) -> None:
    """Hourly, strays, where there may be any; once a day, what is too old."""
    if coming.now.minute >= EVERY.total_seconds() / 60:
        return
    if coming.recently_busy and not deadline.is_over:
        count(metrics, Strays=cleanup.stop_strays(parts))
    if coming.now.hour == RETENTION_HOUR:
        retention(parts, until=deadline.until)
