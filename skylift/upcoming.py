"""What is due, and what soon will be: all that a timer has to know, read in one short transaction.

What it costs depends on the number of pools, and on nothing that has ended or lies further ahead. A timer that finds
nothing here has nothing to do.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select

from skylift import observe, schedule
from skylift.store import Tx, due, limits
from skylift.store.tables import attempts, ended_attempts, work_pools
from skylift.store.tables import due as due_table

RECENT = timedelta(hours=2)
"""An installation that has had no attempt for this long has no strays."""
MISSED_AFTER = timedelta(seconds=30)
"""A look that is overdue by this much was left to the timer: its wakeup and its event were lost, or are very late."""


@dataclass(frozen=True, slots=True)
class Upcoming:
    """What a timer's tick goes by."""

    now: datetime
    pools: dict[UUID, datetime]
    """When the next run of each pool is due, be it in the past."""
    schedule_at: datetime | None
    """When the next ledger wants to be continued."""
    observe_at: datetime | None
    """When the next attempt wants to be looked at, or cleaned up after."""
    unmarked: bool
    """Whether runs are to be called Late, or limits' leases to be ended."""
    late: int
    """Runs that should have started a while ago."""
    occupied: int
    """Slots in use."""
    missed: int
    """Attempts that nobody looked at although their time has come."""
    recently_busy: bool
    """Whether there are attempts, or were a while ago."""


def upcoming(tx: Tx, types: Iterable[str], *, until: datetime, late_after: timedelta) -> Upcoming:
    """What is due up to `until`, of pools that are pushed to (`types`)."""
    pushed = list(types)
    first_due = (
        select(func.min(due_table.c.due_at)).where(due_table.c.work_pool_id == work_pools.c.id).scalar_subquery()
    )
    pools = select(work_pools.c.id, first_due.label("at")).where(
        work_pools.c.type.in_(pushed), work_pools.c.is_paused.is_(False), first_due <= until
    )
    late_ones = (
        select(func.count())
        .select_from(due_table.join(work_pools, work_pools.c.id == due_table.c.work_pool_id))
        .where(due_table.c.due_at < tx.now - late_after)
    )
    missed = (
        select(func.count())
        .select_from(attempts)
        .where(attempts.c.look_at < tx.now - MISSED_AFTER, attempts.c.provider_type.in_(pushed))
    )
    occupied = tx.conn.execute(select(func.count()).select_from(attempts)).scalar_one()
    last_end = tx.conn.execute(select(func.max(ended_attempts.c.ended_at))).scalar_one_or_none()
    return Upcoming(
        now=tx.now,
        pools={row.id: row.at for row in tx.all(pools)},
        schedule_at=schedule.next_tick(tx),
        observe_at=observe.next_look(tx, pushed),
        unmarked=bool(due.unmarked_late(tx, tx.now - late_after, 1)) or limits.any_is_over(tx),
        late=tx.conn.execute(late_ones).scalar_one(),
        occupied=occupied,
        missed=tx.conn.execute(missed).scalar_one(),
        recently_busy=occupied > 0 or (last_end is not None and last_end > tx.now - RECENT),
    )
