"""The verb schedule: continue the ledgers of the schedules that need it, and call late what is late.

A ledger goes on from its stored cursor, not from now, so that an outage loses nothing: slots missed in it are made
within the catch-up window, older ones are written down as skipped. A tick reads the schedules whose time has come and
no others.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter
from sqlalchemy import Row, case, func, select, update
from sqlalchemy.exc import InterfaceError, OperationalError

from skylift import faults
from skylift.ids import new_id
from skylift.models.schedules import Schedule
from skylift.models.states import State, StateType, make_state
from skylift.parts import Parts
from skylift.recurrence import slots_after
from skylift.store import Tx, due, late, limits, prepared, runs
from skylift.store.ranges import from_first
from skylift.store.tables import deployment_schedules, deployments, schedule_slots
from skylift.wakeups import Schedule as ScheduleWakeup

MIN_RUNS = 3
MAX_RUNS = 100
MIN_AHEAD = timedelta(hours=1)
MAX_AHEAD = timedelta(days=100)
SLACK = timedelta(minutes=15)
"""Made beyond what is needed, so that a busy schedule does not need every tick."""
SLOTS_PER_TRANSACTION = 500
"""Each is up to five rows, and Amazon Aurora DSQL changes 3,000 in a transaction."""
BATCH = 100
TOGETHER = 25
"""Schedules of one transaction: more save little, and on SQLite all else waits for it."""
AGAIN = timedelta(minutes=1)
"""When a schedule that could not be continued is tried again. Its cursor stays: nothing is lost."""

log = logging.getLogger(__name__)

_schedules: TypeAdapter[Any] = TypeAdapter(Schedule)


def schedule(parts: Parts, *, limit: int = 1000) -> int:
    """Continue up to `limit` schedules; says how many. Leaves a wakeup where more are waiting."""
    done = 0
    while done < limit:
        ids = _waiting(parts, min(BATCH, limit - done))
        for first in range(0, len(ids), TOGETHER):
            _continue(parts, ids[first : first + TOGETHER])
        done += len(ids)
        if len(ids) < BATCH:
            break
    mark_late(parts)
    free_slots(parts)
    return done


def _continue(parts: Parts, ids: list[UUID]) -> None:
    """One schedule's trouble must not keep the others from being continued. Where the database cannot be reached it is
    nobody's: the tick fails, and the next one finds all of them."""
    catchup = timedelta(seconds=parts.settings.catchup)
    try:
        while ids:
            ids = parts.store.transaction(continue_ledgers, ids, catchup=catchup)
    except (OperationalError, InterfaceError):
        raise
    except Exception as error:
        if len(ids) > 1:
            for each in ids:
                _continue(parts, [each])
            return
        log.error("Schedule %s could not be continued: %s", ids[0], faults.told(error))
        parts.store.transaction(_put_off, ids[0])


def _put_off(tx: Tx, schedule_id: UUID) -> None:
    mine = (deployment_schedules.c.id == schedule_id, deployment_schedules.c.tick_at <= tx.now)
    tx.run(update(deployment_schedules).where(*mine).values(tick_at=tx.now + AGAIN))


def _waiting(parts: Parts, limit: int) -> list[UUID]:
    with parts.store.reading() as tx:
        rows = tx.all(
            select(deployment_schedules.c.id)
            .where(deployment_schedules.c.tick_at <= tx.now, from_first(deployment_schedules.c.tick_at))
            .order_by(deployment_schedules.c.tick_at)
            .limit(limit)
        )
    return [row.id for row in rows]


def next_tick(tx: Tx) -> datetime | None:
    """When the next schedule wants to be continued."""
    return tx.conn.execute(select(func.min(deployment_schedules.c.tick_at))).scalar_one_or_none()


def continue_ledgers(tx: Tx, ids: Sequence[UUID], *, catchup: timedelta) -> list[UUID]:
    """Write the next slots of these schedules: each as a run, or as skipped with the reason. Those for which this
    transaction has no room left are returned; the first always has."""
    rows = _take(tx, ids)
    owners = prepared.by_id(tx, deployments, (row.deployment_id for row in rows))
    known = _known_slots(tx, rows)
    made: list[tuple[dict[str, Any], State]] = []
    lines: list[dict[str, Any]] = []
    changes: dict[UUID, dict[str, Any]] = {}
    left: list[UUID] = []
    for row in rows:
        deployment = owners.get(row.deployment_id)
        if not deployment or deployment.paused or not row.active:
            changes[row.id] = {"cursor": row.cursor, "tick_at": None}
            continue
        room = SLOTS_PER_TRANSACTION - len(lines)
        if not room:
            left.append(row.id)
            continue
        slots, cursor, tick_at = plan(row, tx.now, known[row.id], room)
        changes[row.id] = {"cursor": cursor, "tick_at": tick_at}
        if tick_at:
            tx.wake(ScheduleWakeup(), tick_at)
        window = catchup if row.catchup_seconds is None else timedelta(seconds=row.catchup_seconds)
        for slot in slots:
            if slot in known[row.id]:
                continue
            if slot < tx.now - window:
                reason = f"Missed by more than the catch-up window of {window.total_seconds():g} s"
                lines.append(_line(row, slot, None, reason))
            else:
                run = _run(row, deployment, slot)
                made.append((run, _first_state(tx, slot)))
                lines.append(_line(row, slot, run["id"], None))
    runs.create_many(tx, made)
    prepared.add(tx, schedule_slots, *lines)
    prepared.change_many(tx, deployment_schedules, changes)
    return left


def _take(tx: Tx, ids: Sequence[UUID]) -> list[Row[Any]]:
    """Those whose time has come, the longest waiting first; another tick was with the others. Nobody else changes them
    until this transaction is over."""
    rows = tx.all(
        update(deployment_schedules)
        .where(deployment_schedules.c.id.in_(ids), deployment_schedules.c.tick_at <= tx.now)
        .values(updated=deployment_schedules.c.updated)
        .returning(*deployment_schedules.c)
    )
    return sorted(rows, key=lambda row: (row.tick_at, row.id))


def _known_slots(tx: Tx, rows: list[Row[Any]]) -> dict[UUID, set[datetime]]:
    """Slots of each beyond its cursor, or still to come, that are in the ledger already."""
    table, of = schedule_slots.c, deployment_schedules.c
    lowest = case((of.cursor < tx.now, of.cursor), else_=tx.now)
    query = (
        select(of.id, table.slot)
        .join_from(
            deployment_schedules,
            schedule_slots,
            (table.deployment_id == of.deployment_id) & (table.identity == of.identity) & (table.slot > lowest),
        )
        .where(of.id.in_([row.id for row in rows]))
    )
    known: dict[UUID, set[datetime]] = {row.id: set() for row in rows}
    for each in tx.all(query) if rows else []:
        known[each.id].add(each.slot)
    return known


def plan(
    row: Row[Any], now: datetime, known: set[datetime], room: int
) -> tuple[list[datetime], datetime, datetime | None]:
    """The slots to write, up to `room`, the new cursor, and when to come again (None: the schedule has no more)."""
    most = min(MAX_RUNS, row.max_scheduled_runs or MAX_RUNS)
    future = sorted(slot for slot in known if slot > now)
    slots: list[datetime] = []
    source = _after(row)
    for slot in islice(source, room):
        if slot > now:
            last = future[-1] if future else now
            enough = len(future) >= MIN_RUNS and last >= now + MIN_AHEAD + SLACK
            if enough or len(future) >= most or slot > now + MAX_AHEAD:
                return slots, (slots[-1] if slots else row.cursor), _again(future, slot, now)
            future.append(slot)
        slots.append(slot)
    if len(slots) == room:
        return slots, slots[-1], now
    return slots, (slots[-1] if slots else row.cursor), None


def _after(row: Row[Any]) -> Iterator[datetime]:
    return slots_after(_schedules.validate_python(row.schedule), row.cursor)


def _again(future: list[datetime], following: datetime, now: datetime) -> datetime:
    """Come when fewer than three runs or less than an hour would be left, or half of a full ledger is used up."""
    if len(future) < MIN_RUNS:
        return max(future[0] if future else following - MAX_AHEAD, now + timedelta(seconds=1))
    soonest = min(future[-MIN_RUNS], max(future[-1] - MIN_AHEAD, future[len(future) // 2]))
    return max(soonest, now + timedelta(milliseconds=100))


def _first_state(tx: Tx, slot: datetime) -> State:
    return make_state(StateType.SCHEDULED, tx.now, scheduled_time=slot, message="Flow run scheduled")


def _line(row: Row[Any], slot: datetime, run_id: UUID | None, skipped: str | None) -> dict[str, Any]:
    return {
        "deployment_id": row.deployment_id,
        "identity": row.identity,
        "slot": slot,
        "flow_run_id": run_id,
        "skipped": skipped,
    }


def _run(row: Row[Any], deployment: Row[Any], slot: datetime) -> dict[str, Any]:
    return {
        "id": new_id(),
        "flow_id": deployment.flow_id,
        "deployment_id": deployment.id,
        "deployment_version": deployment.version,
        "parameters": {**deployment.parameters, **row.parameters},
        "tags": ["auto-scheduled", *deployment.tags],
        "labels": deployment.labels,
        "auto_scheduled": True,
        "idempotency_key": f"scheduled {deployment.id} {row.identity} {slot.isoformat(sep=' ')}",
        "created_by": {"id": str(row.id), "type": "SCHEDULE", "display_value": row.slug or row.identity},
        "work_pool_id": deployment.work_pool_id,
        "work_queue_id": deployment.work_queue_id,
    }


def mark_late(parts: Parts) -> int:
    """Call runs Late that should have started a while ago; says how many."""
    marked = 0
    while True:
        with parts.store.reading() as tx:
            overdue = due.unmarked_late(tx, tx.now - timedelta(seconds=parts.settings.late_after), BATCH)
        if overdue:
            marked += parts.store.transaction(late.mark, overdue)
        if len(overdue) < BATCH:
            return marked


def free_slots(parts: Parts) -> None:
    """Give back what leases hold that have run out. Bounded: whoever asks for slots does it for those in question."""
    with parts.store.reading() as tx:
        is_over = limits.any_is_over(tx)
    if is_over:
        parts.store.transaction(limits.sweep)
