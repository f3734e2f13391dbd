"""Attempts: one row for each try to run something. A row here occupies a slot, and nothing else does."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, bindparam, delete, func, insert, select, update

from skylift.store import due, prepared
from skylift.store.engine import Tx
from skylift.store.tables import attempts as table
from skylift.store.tables import ended_attempts as ended
from skylift.wakeups import Observe

CLAIMED, LAUNCHING, LAUNCHED, ADMITTED = "claimed", "launching", "launched", "admitted"
"""The phases, in order: a slot is taken; the request is frozen and calls may be under way; the provider has answered;
the runner has said its first word."""

CANCELLED, DELETED, ENDED, GAVE_UP = "cancelled", "deleted", "ended", "gave-up"
"""Why an attempt is to be stopped: its run is to be cancelled, was deleted, was ended by somebody else, or the attempt
took too long."""


def of_run(tx: Tx, flow_run_id: UUID) -> Row[Any] | None:
    """The run's live attempt."""
    return prepared.first(tx, table.c.flow_run_id, flow_run_id)


def by_id(tx: Tx, attempt_id: UUID) -> Row[Any] | None:
    """The attempt, if it is live."""
    return prepared.first(tx, table.c.id, attempt_id)


def by_ids(tx: Tx, attempt_ids: Sequence[UUID]) -> list[Row[Any]]:
    """Those of these attempts that are live, in the order given."""
    rows = {row.id: row for row in tx.all(select(table).where(table.c.id.in_(attempt_ids)))}
    return [rows[each] for each in attempt_ids if each in rows]


def lock(tx: Tx, attempt_id: UUID) -> Row[Any] | None:
    """The attempt, if it is live; others who want to change it wait until this transaction is over."""
    return tx.conn.execute(
        update(table).where(table.c.id == attempt_id).values(launch_calls=table.c.launch_calls).returning(*table.c)
    ).first()


def lock_many(tx: Tx, attempt_ids: Iterable[UUID]) -> list[Row[Any]]:
    """As `lock`, for several in one statement; ordered by id."""
    rows = tx.conn.execute(
        update(table)
        .where(table.c.id.in_(sorted(attempt_ids)))
        .values(launch_calls=table.c.launch_calls)
        .returning(*table.c)
    )
    return sorted(rows.all(), key=lambda row: row.id)


def occupied_by_queue(tx: Tx, pool_id: UUID) -> dict[UUID, int]:
    """How many slots each queue of the pool occupies."""
    rows = tx.all(
        select(table.c.work_queue_id, func.count().label("slots"))
        .where(table.c.work_pool_id == pool_id)
        .group_by(table.c.work_queue_id)
    )
    return {row.work_queue_id: row.slots for row in rows}


def occupied_by_deployments(tx: Tx, deployment_ids: list[UUID]) -> dict[UUID, int]:
    """How many slots each of these deployments occupies, in all pools."""
    rows = tx.all(
        select(table.c.deployment_id, func.count().label("slots"))
        .where(table.c.deployment_id.in_(deployment_ids))
        .group_by(table.c.deployment_id)
    )
    return {row.deployment_id: row.slots for row in rows}


def in_pool(tx: Tx, pool_id: UUID) -> list[Row[Any]]:
    """The pool's live attempts: who holds its slots, the oldest first."""
    return tx.all(select(table).where(table.c.work_pool_id == pool_id).order_by(table.c.claimed_at))


def change(tx: Tx, attempt_id: UUID, **values: Any) -> bool:
    """Change a live attempt; False where it is not live any more."""
    return tx.run(update(table).where(table.c.id == attempt_id).values(**values)) == 1


def change_many(tx: Tx, changes: list[dict[str, Any]]) -> None:
    """Change live attempts, each as its entry says; `attempt` in it is the id. All entries have the same columns."""
    if changes:
        names = [name for name in changes[0] if name != "attempt"]
        values: dict[str, Any] = {name: bindparam(name) for name in names}
        tx.run(update(table).where(table.c.id == bindparam("attempt")).values(values), changes)


def stop_where(tx: Tx, condition: ColumnElement[bool], kind: str, message: str) -> None:
    """Have these stopped at the provider; their slots stay occupied until they are gone. The first reason stays."""
    changed = tx.run(
        update(table)
        .where(condition, table.c.stop.is_(None))
        .values(stop=kind, stop_message=message, stop_at=tx.now, look_at=tx.now)
    )
    if changed:
        wake_observe(tx, tx.now)


def wake_observe(tx: Tx, at: datetime) -> None:
    """Have the attempts looked at."""
    tx.wake(Observe(), at)


LONGEST_CALL = timedelta(seconds=60)
"""A provider's `call_timeout` is never longer."""


def lease_given_back(attempt: Row[Any]) -> datetime:
    """The `lease_until` of an attempt whose last launch was answered: none is under way any more."""
    at: datetime = attempt.claimed_at
    return at


def _safe_to_clean(tx: Tx, attempt: Row[Any]) -> datetime:
    """From when on no launch that is still under way can start it again. A runner would not be admitted again."""
    if attempt.instance or attempt.lease_until <= attempt.claimed_at:
        return tx.now
    safe: datetime = attempt.lease_until + LONGEST_CALL
    return max(tx.now, safe)


def remove(tx: Tx, attempt: Row[Any], *, reported_end: bool = False) -> bool:
    """Free the slot: the attempt is over. Cleaning up at the provider is still to be done. False if others did it.

    `reported_end`: the run itself has said how it ended, and may still be clearing up.
    """
    if not tx.run(delete(table).where(table.c.id == attempt.id)):
        return False
    # What is left there (a mark that it was stopped, the container's name) keeps a late launch from starting it.
    cleanup_at = _safe_to_clean(tx, attempt) if attempt.launch_calls else None
    tx.run(
        insert(ended).values(
            id=attempt.id,
            flow_run_id=attempt.flow_run_id,
            work_pool_id=attempt.work_pool_id,
            provider_type=attempt.provider_type,
            request=attempt.request,
            handle=attempt.handle,
            instance=attempt.instance,
            token_hash=None if attempt.stop else attempt.token_hash,
            ended_at=tx.now,
            output_offset=attempt.output_offset,
            reports=attempt.reports,
            reported_end=reported_end,
            cleanup_at=cleanup_at,
        )
    )
    next_due = due.next_due(tx, attempt.work_pool_id)
    if next_due:
        due.wake_pool(tx, attempt.work_pool_id, next_due)
    if cleanup_at:
        wake_observe(tx, cleanup_at)
    return True
