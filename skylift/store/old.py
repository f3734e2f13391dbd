"""What is older than it has to be, a batch at a time.

Every function here is one short transaction's work: it deletes what it finds beyond a position, at most a few thousand
rows, and says where the next batch goes on. Each finds its rows by an index on their age, so that what is kept costs
nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Column, ColumnElement, Select, Table, and_, delete, func, or_, select, tuple_, update

from skylift.models.states import TERMINAL
from skylift.store import artifacts, limits, runs
from skylift.store.engine import Tx
from skylift.store.ranges import from_first
from skylift.store.tables import api_keys as keys
from skylift.store.tables import artifacts as artifacts_table
from skylift.store.tables import (
    attempts,
    concurrency_leases,
    deployment_schedules,
    ended_attempts,
    events,
    flow_runs,
    log_batches,
    schedule_slots,
    task_run_states,
    task_runs,
    webhook_deliveries,
)

RUNS, ROWS = 50, 1_000
"""In one batch: runs, and rows of what hangs on them or goes by its own age."""
KEYS_KEPT = timedelta(days=30)
"""How long an API key is still listed after it has expired."""

Position = tuple[datetime, UUID]
OVER = [str(each) for each in TERMINAL]


@dataclass(frozen=True, slots=True)
class Batch:
    """What one transaction did."""

    gone: int
    goes_on: bool = False
    """Whether there may be more."""
    after: Position | None = None
    """Where the next batch begins."""


Sweep = Callable[[Tx, datetime, Position | None], Batch]
"""Deletes what is older than the instant, beyond the position."""


# -- runs, with all that hangs on them --------------------------------------------------------------------------------


def ended_runs_with_all(tx: Tx, before: datetime, after: Position | None) -> Batch:
    """The next runs that ended before this instant, as far as they may go: nothing of them is left at a provider.

    A run with much hanging on it takes several calls, and is itself there until the last one.
    """
    ends = flow_runs.c.end_time
    query = select(flow_runs.c.id, ends).where(ends < before, from_first(ends), *_beyond(ends, flow_runs.c.id, after))
    rows = tx.all(query.order_by(ends, flow_runs.c.id).limit(RUNS))
    gone = _delete_runs(tx, before, [row.id for row in rows]) if rows else 0
    if gone is None:
        return Batch(0, goes_on=True, after=after)
    return Batch(gone, len(rows) == RUNS, (rows[-1].end_time, rows[-1].id) if rows else None)


def _beyond(at: Column[Any], key: Column[Any], after: Position | None) -> list[ColumnElement[bool]]:
    if not after:
        return []
    return [at >= after[0], or_(at > after[0], key > after[1])]


def _delete_runs(tx: Tx, before: datetime, run_ids: Iterable[UUID]) -> int | None:
    """Says how many went; None where there was too much of them for one transaction, and it goes on in the next."""
    # Locked in the order of their ids, and looked at once more: somebody may have retried one meanwhile.
    locked = [
        run_id
        for run_id in sorted(run_ids)
        if tx.run(
            update(flow_runs)
            .where(flow_runs.c.id == run_id, flow_runs.c.end_time < before, flow_runs.c.state_type.in_(OVER))
            .values(updated=flow_runs.c.updated)
        )
    ]
    going = _free(tx, locked) if locked else []
    if not going:
        return 0
    if not _lighten(tx, going):
        return None
    tx.run(delete(ended_attempts).where(ended_attempts.c.flow_run_id.in_(going)))
    runs.delete_many(tx, going)
    return len(going)


def _free(tx: Tx, run_ids: Sequence[UUID]) -> list[UUID]:
    """Those of which no attempt occupies a slot or has still to be cleaned up."""
    live = select(attempts.c.flow_run_id).where(attempts.c.flow_run_id.in_(run_ids))
    uncleaned = select(ended_attempts.c.flow_run_id).where(
        ended_attempts.c.flow_run_id.in_(run_ids), ended_attempts.c.cleanup_at.is_not(None)
    )
    held = {row.flow_run_id for row in (*tx.all(live), *tx.all(uncleaned))}
    return [each for each in run_ids if each not in held]


def _lighten(tx: Tx, run_ids: Sequence[UUID]) -> bool:
    """Delete what there may be thousands of for one run; False where there is more of it than one batch takes."""
    left = ROWS
    for table, remove in (
        (task_runs, _delete_task_runs),
        (events, _delete_events),
        (log_batches, _delete_logs),
        (artifacts_table, _delete_artifacts),
    ):
        found = tx.all(select(table.c.id).where(table.c.flow_run_id.in_(run_ids)).limit(left))
        remove(tx, [row.id for row in found])
        left -= len(found)
        if left <= 0:
            return False
    return True


def _delete_task_runs(tx: Tx, ids: Sequence[UUID]) -> int:
    if ids:
        ours = artifacts_table.c.flow_run_id.is_(None) & artifacts_table.c.task_run_id.in_(ids)
        artifacts.remove_many(tx, [row.id for row in tx.all(select(artifacts_table.c.id).where(ours))])
        tx.run(update(flow_runs).where(flow_runs.c.parent_task_run_id.in_(ids)).values(parent_task_run_id=None))
        tx.run(delete(task_run_states).where(task_run_states.c.task_run_id.in_(ids)))
        tx.run(delete(task_runs).where(task_runs.c.id.in_(ids)))
    return len(ids)


def _delete_events(tx: Tx, ids: Sequence[UUID]) -> int:
    return tx.run(delete(events).where(events.c.id.in_(ids))) if ids else 0


def _delete_logs(tx: Tx, ids: Sequence[UUID]) -> int:
    """Says how many lines."""
    gone = tx.conn.execute(delete(log_batches).where(log_batches.c.id.in_(ids)).returning(log_batches.c.lines))
    return sum(row.lines for row in gone)


def _delete_artifacts(tx: Tx, ids: Sequence[UUID]) -> int:
    artifacts.remove_many(tx, ids)
    return len(ids)


def _delete_attempts(tx: Tx, ids: Sequence[UUID]) -> int:
    return tx.run(delete(ended_attempts).where(ended_attempts.c.id.in_(ids))) if ids else 0


# -- by their own age -------------------------------------------------------------------------------------------------


def _old_logs(before: datetime) -> list[ColumnElement[bool]]:
    return [log_batches.c.first_at < before, log_batches.c.last_at < before]


def _old_events(before: datetime) -> list[ColumnElement[bool]]:
    return [events.c.received < before]


def _old_deliveries(before: datetime) -> list[ColumnElement[bool]]:
    return [webhook_deliveries.c.received < before]


def _delete_deliveries(tx: Tx, ids: Sequence[UUID]) -> int:
    return tx.run(delete(webhook_deliveries).where(webhook_deliveries.c.id.in_(ids))) if ids else 0


def _old_artifacts(before: datetime) -> list[ColumnElement[bool]]:
    return [artifacts_table.c.created < before]


def _old_task_runs(before: datetime) -> list[ColumnElement[bool]]:
    """Those that belong to no flow run."""
    at = task_runs.c.expected_start_time
    return [
        task_runs.c.flow_run_id.is_(None),
        at < before,
        task_runs.c.end_time < before,
        task_runs.c.state_type.in_(OVER),
    ]


def _old_slots(before: datetime) -> list[ColumnElement[bool]]:
    """The ledger reads the slots beyond a schedule's cursor; those before it are history, which goes with its runs."""
    same = and_(
        deployment_schedules.c.deployment_id == schedule_slots.c.deployment_id,
        deployment_schedules.c.identity == schedule_slots.c.identity,
    )
    needed = select(deployment_schedules.c.id).where(same, deployment_schedules.c.cursor < schedule_slots.c.slot)
    run = select(flow_runs.c.id).where(flow_runs.c.id == schedule_slots.c.flow_run_id)
    return [schedule_slots.c.slot < before, ~needed.exists(), ~run.exists()]


def logs(tx: Tx, before: datetime, _after: Position | None = None) -> Batch:
    """Batches of lines; says how many lines."""
    return _by_age(tx, log_batches, log_batches.c.first_at, _old_logs(before), _delete_logs)


def old_events(tx: Tx, before: datetime, _after: Position | None = None) -> Batch:
    """By when they came in."""
    return _by_age(tx, events, events.c.received, _old_events(before), _delete_events)


def old_artifacts(tx: Tx, before: datetime, _after: Position | None = None) -> Batch:
    return _by_age(tx, artifacts_table, artifacts_table.c.created, _old_artifacts(before), _delete_artifacts)


def old_deliveries(tx: Tx, before: datetime, _after: Position | None = None) -> Batch:
    """Deliveries to webhooks, those of webhooks that are no more included."""
    at = webhook_deliveries.c.received
    return _by_age(tx, webhook_deliveries, at, _old_deliveries(before), _delete_deliveries)


def lone_task_runs(tx: Tx, before: datetime, _after: Position | None = None) -> Batch:
    """Task runs that belong to no flow run."""
    query = select(task_runs.c.id).where(*_old_task_runs(before))
    found = [
        row.id for row in tx.all(query.order_by(task_runs.c.flow_run_id, task_runs.c.expected_start_time).limit(ROWS))
    ]
    return Batch(_delete_task_runs(tx, found), goes_on=len(found) == ROWS)


def _by_age(
    tx: Tx,
    table: Table,
    at: Column[Any],
    old: list[ColumnElement[bool]],
    remove: Callable[[Tx, Sequence[UUID]], int],
) -> Batch:
    found = [row.id for row in tx.all(select(table.c.id).where(*old, from_first(at)).order_by(at).limit(ROWS))]
    return Batch(remove(tx, found), goes_on=len(found) == ROWS)


def slots(tx: Tx, before: datetime, _after: Position | None = None) -> Batch:
    """Lines of the schedules' ledgers that nothing needs any more."""
    key = (schedule_slots.c.deployment_id, schedule_slots.c.identity, schedule_slots.c.slot)
    query = select(*key).where(*_old_slots(before), from_first(schedule_slots.c.slot))
    found = tx.all(query.order_by(schedule_slots.c.slot).limit(ROWS))
    if found:
        tx.run(delete(schedule_slots).where(tuple_(*key).in_([tuple(row) for row in found])))
    return Batch(len(found), goes_on=len(found) == ROWS)


# -- what was left by runs that somebody deleted ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Leftovers:
    """Rows of a table whose flow run is no more: what was reported after it was deleted."""

    table: Table
    at: str
    remove: Callable[[Tx, Sequence[UUID]], int]

    def __call__(self, tx: Tx, before: datetime, after: Position | None) -> Batch:
        at, key = self.table.c[self.at], self.table.c.id
        query = select(key, at.label("at"), self.table.c.flow_run_id).where(
            at < before, self.table.c.flow_run_id.is_not(None), *_beyond(at, key, after)
        )
        if self.table is ended_attempts:
            query = query.where(ended_attempts.c.cleanup_at.is_(None))
        rows = tx.all(query.order_by(at, key).limit(ROWS))
        known = select(flow_runs.c.id).where(flow_runs.c.id.in_({row.flow_run_id for row in rows}))
        there = {row.id for row in tx.all(known)} if rows else set()
        gone = self.remove(tx, [row.id for row in rows if row.flow_run_id not in there])
        return Batch(gone, len(rows) == ROWS, (rows[-1].at, rows[-1].id) if rows else None)


left_task_runs = Leftovers(task_runs, "expected_start_time", _delete_task_runs)
left_logs = Leftovers(log_batches, "first_at", _delete_logs)
left_artifacts = Leftovers(artifacts_table, "created", _delete_artifacts)
left_attempts = Leftovers(ended_attempts, "ended_at", _delete_attempts)


# -- what is over by itself -------------------------------------------------------------------------------------------


def leases(tx: Tx, _before: datetime, _after: Position | None = None) -> Batch:
    """Slots of concurrency limits that nobody renewed; says of how many limits."""
    freed = limits.sweep(tx)
    return Batch(freed, goes_on=freed >= limits.MOST_SWEPT)


def api_keys(tx: Tx, before: datetime, _after: Position | None = None) -> Batch:
    """Keys that expired long ago, unless no other would be left: without any key the API is open to all."""
    return Batch(tx.run(delete(keys).where(_old_keys(before))))


def _old_keys(before: datetime) -> ColumnElement[bool]:
    others = keys.alias("others")
    stays = select(others.c.id).where(or_(others.c.expires.is_(None), others.c.expires >= before))
    return and_(keys.c.expires < before, stays.exists())


# -- how many would go ------------------------------------------------------------------------------------------------


def count_runs(tx: Tx, before: datetime) -> int:
    live = select(attempts.c.id).where(attempts.c.flow_run_id == flow_runs.c.id)
    uncleaned = select(ended_attempts.c.id).where(
        ended_attempts.c.flow_run_id == flow_runs.c.id, ended_attempts.c.cleanup_at.is_not(None)
    )
    old = (flow_runs.c.end_time < before, flow_runs.c.state_type.in_(OVER), ~live.exists(), ~uncleaned.exists())
    return _count(tx, select(func.count()).select_from(flow_runs).where(*old))


def count_logs(tx: Tx, before: datetime) -> int:
    return _count(tx, select(func.coalesce(func.sum(log_batches.c.lines), 0)).where(*_old_logs(before)))


def count_events(tx: Tx, before: datetime) -> int:
    return _count(tx, select(func.count()).select_from(events).where(*_old_events(before)))


def count_artifacts(tx: Tx, before: datetime) -> int:
    return _count(tx, select(func.count()).select_from(artifacts_table).where(*_old_artifacts(before)))


def count_deliveries(tx: Tx, before: datetime) -> int:
    return _count(tx, select(func.count()).select_from(webhook_deliveries).where(*_old_deliveries(before)))


def count_task_runs(tx: Tx, before: datetime) -> int:
    return _count(tx, select(func.count()).select_from(task_runs).where(*_old_task_runs(before)))


def count_leases(tx: Tx, _before: datetime) -> int:
    over = concurrency_leases.c.expires_at <= tx.now
    return _count(tx, select(func.count(concurrency_leases.c.limit_id.distinct())).where(over))


def count_keys(tx: Tx, before: datetime) -> int:
    return _count(tx, select(func.count()).select_from(keys).where(_old_keys(before)))


def _count(tx: Tx, query: Select[Any]) -> int:
    return int(tx.conn.execute(query).scalar_one())
