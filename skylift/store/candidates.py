"""What a claim may take next of a queue.

Runs of a deployment that is at its limit stay where they are, in front of what is due after them, be they a million. So
a claim looks at the front of the queue, and where that is full of them it goes by deployment: an index has the first
run of each. Its work grows with the deployments that wait in the queue, and not with their runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, func, select

from skylift.store.engine import Tx
from skylift.store.ranges import from_first
from skylift.store.tables import due

FRONT = 1_000
"""Runs at most that are passed over one by one."""
_ORDER = (due.c.due_at, due.c.flow_run_id)


def candidates(tx: Tx, queue_id: UUID, limit: int, without_deployments: Iterable[UUID] = ()) -> list[Row[Any]]:
    """A queue's runs whose time has come, the earliest first; all there are, if there are fewer than `limit`."""
    blocked = list(without_deployments)
    waiting = select(due).where(*_waiting(tx, queue_id)).order_by(*_ORDER)
    if not blocked:
        return tx.all(waiting.limit(limit))
    front = waiting.limit(FRONT + limit).subquery()
    is_open = front.c.deployment_id.is_(None) | front.c.deployment_id.not_in(blocked)
    found = tx.all(select(front).where(is_open).order_by(front.c.due_at, front.c.flow_run_id).limit(limit))
    if len(found) == limit or not tx.one(waiting.offset(FRONT + limit).limit(1)):
        return found
    return _by_deployment(tx, queue_id, limit, blocked)


def _waiting(tx: Tx, queue_id: UUID) -> tuple[ColumnElement[bool], ...]:
    in_queue = due.c.work_queue_id == queue_id
    return in_queue, due.c.due_at <= tx.now, from_first(due.c.due_at, in_queue)


def _by_deployment(tx: Tx, queue_id: UUID, limit: int, blocked: Sequence[UUID]) -> list[Row[Any]]:
    found: list[Row[Any]] = []
    for deployment_id, first in _fronts(tx, queue_id, limit, blocked):
        if len(found) == limit and found[-1].due_at < first:
            break
        of_one = select(due).where(
            due.c.work_queue_id == queue_id, due.c.deployment_id == deployment_id, due.c.due_at <= tx.now
        )
        more = tx.all(of_one.order_by(*_ORDER).limit(limit))
        found = sorted([*found, *more], key=lambda row: (row.due_at, row.flow_run_id))[:limit]
    return found


def _fronts(tx: Tx, queue_id: UUID, limit: int, blocked: Sequence[UUID]) -> list[tuple[UUID | None, datetime]]:
    """The deployments whose first runs are due first, None for runs without one, each with when that is."""
    there = _deployments(queue_id)
    theirs = due.alias("theirs")
    first = (
        select(theirs.c.due_at)
        .where(theirs.c.work_queue_id == queue_id, theirs.c.deployment_id == there.c.deployment_id)
        .order_by(theirs.c.due_at)
        .limit(1)
        .scalar_subquery()
    )
    fronts = select(there.c.deployment_id, first.label("first")).where(there.c.deployment_id.not_in(blocked)).subquery()
    by_deployment = tx.all(select(fronts).where(fronts.c.first <= tx.now).order_by(fronts.c.first).limit(limit))
    nobodys = select(func.min(due.c.due_at)).where(due.c.work_queue_id == queue_id, due.c.deployment_id.is_(None))
    found = [(row.deployment_id, row.first) for row in by_deployment]
    if (first_of_nobody := tx.conn.execute(nobodys).scalar()) and first_of_nobody <= tx.now:
        found.append((None, first_of_nobody))
    return sorted(found, key=lambda front: front[1])


def _deployments(queue_id: UUID) -> Any:
    """Of which there are runs in the queue: from one to the next by the index, however many runs each has."""
    of_queue = due.c.work_queue_id == queue_id
    least = select(due.c.deployment_id).where(of_queue, due.c.deployment_id.is_not(None)).order_by(due.c.deployment_id)
    there = select(least.limit(1).scalar_subquery().label("deployment_id")).cte("there", recursive=True)
    following = (
        select(due.c.deployment_id)
        .where(of_queue, due.c.deployment_id > there.c.deployment_id)
        .order_by(due.c.deployment_id)
        .limit(1)
        .scalar_subquery()
    )
    return there.union_all(select(following).where(there.c.deployment_id.is_not(None)))
