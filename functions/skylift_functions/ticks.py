"""What `schedule` does on every platform: the timer's tick, and schedules that want to be continued in between.

A tick begins with one short read of the database. Where that finds nothing due it was all: the database may sleep on.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Protocol

from sqlalchemy.exc import ProgrammingError

from skylift import cleanup, schedule
from skylift.parts import Parts
from skylift.retention import retention
from skylift.store import Tx, schema_version, ticks
from skylift.upcoming import Upcoming, upcoming
from skylift.wakeups import Dispatch, Observe, Schedule, Wakeup
from skylift_functions.deadline import Deadline
from skylift_functions.installation import Installation

EVERY = timedelta(minutes=5)
AHEAD = EVERY + timedelta(minutes=1)
"""What is due up to then gets its wakeup now: the next tick may be a little late."""
AT_ONCE = 100
"""Schedules that are continued before the time left is looked at again."""
RETENTION_HOUR = 3


class Count(Protocol):
    """Takes metrics by their names."""

    def __call__(self, **numbers: int) -> None: ...


def tick(here: Installation, deadline: Deadline, count: Count) -> None:
    """The timer's: whatever wakeups and events have left undone is done or woken here."""
    coming = look(here.parts)
    count(LateRuns=coming.late, SlotsInUse=coming.occupied, SweepHits=coming.missed)
    for wakeup, at in wakeups_for(coming):
        here.wakeups.send(wakeup, at)
    if (coming.unmarked or is_due(coming.schedule_at, coming)) and not continue_all(here.parts, deadline):
        here.wakeups.send(Schedule(), coming.now)
    keep_clean(here.parts, coming, deadline, count)


def continue_schedules(here: Installation, deadline: Deadline) -> bool:
    """A wakeup's: continue what wants to be, and see to a wakeup for the next; False where time ran out before."""
    if not continue_all(here.parts, deadline):
        return False
    with here.parts.store.reading() as tx:
        at = schedule.next_tick(tx)
    if at:
        here.wakeups.send(Schedule(), at)
    return True


def look(parts: Parts) -> Upcoming:
    """What there is to do, in one transaction, which also notes that the timer came; the first one of a new version
    brings the tables up to date."""
    try:
        found = parts.store.transaction(_noted, parts)
        if found:
            return found
    except ProgrammingError:  # there are no tables yet
        pass
    parts.store.ensure_current()
    return parts.store.transaction(lambda tx: _upcoming(parts, tx))


def _noted(tx: Tx, parts: Parts) -> Upcoming | None:
    if not schema_version.serves(parts.store.version(tx)):
        return None
    ticks.note(tx, EVERY)
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


def keep_clean(parts: Parts, coming: Upcoming, deadline: Deadline, count: Count) -> None:
    """Hourly, strays, where there may be any; once a day, what is too old."""
    if coming.now.minute >= EVERY.total_seconds() / 60:
        return
    if coming.recently_busy and not deadline.is_over:
        count(Strays=cleanup.stop_strays(parts))
    if coming.now.hour == RETENTION_HOUR:
        retention(parts, until=deadline.until)
