"""Workers of pull pools: they say every now and then that they are there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, bindparam, delete, func, or_, select, update

from skylift.errors import InvalidError, NotFoundError
from skylift.ids import new_id
from skylift.models.workers import Heartbeat, Worker, WorkerStatus
from skylift.store.engine import TryAgainError, Tx
from skylift.store.filter_terms import operators, read_filter
from skylift.store.filters import select_filtered
from skylift.store.inserts import insert_if_new
from skylift.store.tables import workers as table

INTERVAL = 30
"""Seconds between heartbeats of a worker that does not say its own."""
MISSED = 3
"""After so many intervals of silence a worker counts as offline."""
SILENCE = timedelta(seconds=60)
"""After so long without a word from any worker its pool is not ready: nobody would take a run. A pool whose workers
speak so seldom that this is less than two of their intervals waits for the second."""
FORGOTTEN = timedelta(days=7)
"""Workers get a new name at each start; those that have been silent for so long are removed."""


def heartbeat(tx: Tx, pool_id: UUID, beat: Heartbeat) -> None:
    """This worker is there."""
    interval = beat.heartbeat_interval_seconds
    values = {
        "last_heartbeat_time": tx.now,
        "heartbeat_interval_seconds": interval,
        "offline_at": tx.now + MISSED * timedelta(seconds=interval or INTERVAL),
        "updated": tx.now,
    }
    this = (table.c.work_pool_id == pool_id, table.c.name == beat.name)
    if tx.run(update(table).where(*this).values(**values)):
        return
    tx.run(delete(table).where(table.c.work_pool_id == pool_id, table.c.offline_at < tx.now - FORGOTTEN))
    new = values | {"id": new_id(), "created": tx.now, "work_pool_id": pool_id, "name": beat.name}
    if not insert_if_new(tx, table, new):
        raise TryAgainError(f"The worker {beat.name!r} has just said its first word in another request")


def find(
    tx: Tx, pool_id: UUID, filters: Mapping[str, Any] | None, limit: int | None = None, offset: int | None = None
) -> list[Worker]:
    """The pool's workers that the wire's filter asks for, the one last heard of first."""
    others, condition = _status(tx, filters or {})
    query = select_filtered("workers", others, None, limit, offset).where(table.c.work_pool_id == pool_id, condition)
    return [_view(tx, row) for row in tx.all(query)]


_STATUS = {"status": operators(lambda value, path: _status_value(value, path), "any_", "not_any_")}


def _status(tx: Tx, filters: Mapping[str, Any]) -> tuple[dict[str, Any], ColumnElement[bool]]:
    """The filter without what it says of the status, and that as a condition: the status follows from the time."""
    body = filters.get("workers")
    everyone = table.c.id.is_not(None)
    if not isinstance(body, Mapping) or not body.get("status"):
        return dict(filters), everyone
    others = {name: value for name, value in body.items() if name != "status"}
    condition: ColumnElement[bool] = everyone
    for term in _terms(body["status"]):
        wanted = {
            WorkerStatus.ONLINE: table.c.offline_at > tx.now,
            WorkerStatus.OFFLINE: table.c.offline_at <= tx.now,
        }
        one_of = or_(~everyone, *(wanted[each] for each in term.value))
        condition = condition & (one_of if term.operator == "any_" else ~one_of)
    return {**filters, "workers": others}, condition


def _terms(body: Any) -> list[Any]:
    group = read_filter({"status": body}, _STATUS, "workers")
    return [term for part in group.parts for term in getattr(part, "parts", ())]


def _status_value(value: Any, path: str) -> WorkerStatus:
    try:
        return WorkerStatus(value)
    except ValueError:
        raise InvalidError(f"'{path}' must be one of {', '.join(WorkerStatus)}", field=path) from None


def _view(tx: Tx, row: Row[Any]) -> Worker:
    status = WorkerStatus.ONLINE if row.offline_at > tx.now else WorkerStatus.OFFLINE
    return Worker.model_validate(dict(row._mapping) | {"status": status})


_HEARD_OF = (
    select(table.c.work_pool_id, table.c.heartbeat_interval_seconds, func.max(table.c.last_heartbeat_time).label("at"))
    .where(table.c.work_pool_id.in_(bindparam("pool_ids", expanding=True)), table.c.offline_at > bindparam("now"))
    .group_by(table.c.work_pool_id, table.c.heartbeat_interval_seconds)
)


def pools_in_touch(tx: Tx, pool_ids: Iterable[UUID]) -> set[UUID]:
    """Those of these pools that have a worker of which one has heard lately."""
    ids = list(pool_ids)
    if not ids:
        return set()
    rows = tx.all(_HEARD_OF, {"pool_ids": ids, "now": tx.now})
    return {
        row.work_pool_id
        for row in rows
        if tx.now - row.at < max(SILENCE, 2 * timedelta(seconds=row.heartbeat_interval_seconds or INTERVAL))
    }


def remove(tx: Tx, pool_id: UUID, name: str) -> None:
    """Forget a worker. Raises `NotFoundError`."""
    if not tx.run(delete(table).where(table.c.work_pool_id == pool_id, table.c.name == name)):
        raise NotFoundError(f"The work pool has no worker named {name!r}")
