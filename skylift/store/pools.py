"""Work pools and work queues."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from sqlalchemy import Row, delete, func, select, update
from sqlalchemy.exc import IntegrityError

from skylift import templates
from skylift.errors import ConflictError, ForbiddenError, NotFoundError
from skylift.ids import new_id
from skylift.models.pools import (
    PoolSettings,
    WorkPoolCreate,
    WorkPoolUpdate,
    WorkQueueCreate,
    WorkQueueUpdate,
)
from skylift.store import attempts, due, prepared
from skylift.store.engine import Tx
from skylift.store.tables import attempts as attempts_table
from skylift.store.tables import deployments, flow_runs, work_pools, work_queues, workers
from skylift.store.tables import due as due_table

DEFAULT_QUEUE = "default"


def create(tx: Tx, wanted: WorkPoolCreate) -> Row[Any]:
    """A new pool with its default queue. Raises `ConflictError`, `ForbiddenError`, `TemplateError`."""
    _refuse_reserved(wanted.name)
    templates.check_template(wanted.base_job_template)
    pool_id, queue_id = new_id(), new_id()
    values = wanted.model_dump(mode="json") | {
        "id": pool_id,
        "created": tx.now,
        "updated": tx.now,
        "default_queue_id": queue_id,
        "claims": 0,
    }
    if prepared.first(tx, work_pools.c.name, wanted.name):
        raise ConflictError(f"A work pool named {wanted.name!r} already exists")
    try:
        prepared.add(tx, work_pools, values)
    except IntegrityError as error:
        raise ConflictError(f"A work pool named {wanted.name!r} already exists") from error
    _add_queue(tx, queue_id, pool_id, 1, WorkQueueCreate(name=DEFAULT_QUEUE))
    return by_name(tx, wanted.name)


def _refuse_reserved(name: str) -> None:
    if name.lower().startswith("prefect"):
        raise ForbiddenError("Work pool names that begin with 'prefect' are reserved: choose another name")


def by_name(tx: Tx, name: str) -> Row[Any]:
    """The pool of this name. Raises `NotFoundError`."""
    row = prepared.first(tx, work_pools.c.name, name)
    if not row:
        raise NotFoundError(f"Work pool {name!r} not found")
    return row


def by_id(tx: Tx, pool_id: UUID) -> Row[Any]:
    """The pool with this id. Raises `NotFoundError`."""
    row = prepared.first(tx, work_pools.c.id, pool_id)
    if not row:
        raise NotFoundError(f"Work pool {pool_id} not found")
    return row


def ids_of(tx: Tx, names: Iterable[str]) -> list[UUID]:
    """The ids of the pools that have these names; of one that nobody knows there is none."""
    return [row.id for row in prepared.every(tx, work_pools.c.name, names)]


def find(tx: Tx, pool_id: UUID) -> Row[Any] | None:
    """The pool, if there is (still) one."""
    return prepared.first(tx, work_pools.c.id, pool_id)


def settings_of(pool: Row[Any]) -> PoolSettings:
    """The pool's settings, what it leaves open filled in."""
    return PoolSettings.model_validate(pool.settings)


def update_pool(tx: Tx, name: str, changes: WorkPoolUpdate) -> None:
    """Change the given fields; an explicit null clears. A pool that got room or was resumed is dispatched at once."""
    pool = by_name(tx, name)
    values = changes.model_dump(mode="json", exclude_unset=True)
    for never_null in ("is_paused", "base_job_template", "settings"):
        if values.get(never_null, ...) is None:
            del values[never_null]
    if "base_job_template" in values:
        templates.check_template(values["base_job_template"])
    tx.run(update(work_pools).where(work_pools.c.id == pool.id).values(**values, updated=tx.now))
    _wake(tx, pool.id)


def _wake(tx: Tx, pool_id: UUID) -> None:
    at = due.next_due(tx, pool_id)
    if at:
        due.wake_pool(tx, pool_id, at)


def delete_pool(tx: Tx, name: str) -> None:
    """Remove a pool and its queues. Deployments and runs lose the reference; what runs is stopped."""
    _refuse_reserved(name)
    pool = by_name(tx, name)
    tx.run(update(work_pools).where(work_pools.c.id == pool.id).values(claims=work_pools.c.claims + 1))
    attempts.stop_where(tx, attempts_table.c.work_pool_id == pool.id, attempts.DELETED, "The work pool was deleted")
    tx.run(delete(due_table).where(due_table.c.work_pool_id == pool.id))
    for table in (deployments, flow_runs):
        tx.run(update(table).where(table.c.work_pool_id == pool.id).values(work_pool_id=None, work_queue_id=None))
    for table in (work_queues, workers):
        tx.run(delete(table).where(table.c.work_pool_id == pool.id))
    tx.run(delete(work_pools).where(work_pools.c.id == pool.id))


# -- queues -----------------------------------------------------------------------------------------------------------


def create_queue(tx: Tx, pool_name: str, wanted: WorkQueueCreate) -> Row[Any]:
    """A new queue. A priority that is taken shifts that queue and those below it; none means the lowest free."""
    pool = _lock(tx, by_name(tx, pool_name).id)
    if tx.one(select(work_queues.c.id).where(work_queues.c.work_pool_id == pool, work_queues.c.name == wanted.name)):
        raise ConflictError(f"Work pool {pool_name!r} already has a queue named {wanted.name!r}")
    return _insert_queue(tx, new_id(), pool, wanted)


def ensure_queue(tx: Tx, pool: Row[Any], name: str | None) -> Row[Any]:
    """The queue of this name, made if the pool has none; no name means the default queue."""
    if name is None:
        return queue_by_id(tx, pool.default_queue_id)
    found = tx.one(select(work_queues).where(work_queues.c.work_pool_id == pool.id, work_queues.c.name == name))
    return found or create_queue(tx, pool.name, WorkQueueCreate(name=name))


def _lock(tx: Tx, pool_id: UUID) -> UUID:
    """Make other writers of this pool's queues wait, and claims too."""
    tx.run(update(work_pools).where(work_pools.c.id == pool_id).values(updated=tx.now))
    return pool_id


def _insert_queue(tx: Tx, queue_id: UUID, pool_id: UUID, wanted: WorkQueueCreate) -> Row[Any]:
    taken = _priorities(tx, pool_id)
    priority = wanted.priority or next(n for n in range(1, len(taken) + 2) if n not in taken)
    if priority in taken:
        _shift(tx, pool_id, priority, taken)
    _add_queue(tx, queue_id, pool_id, priority, wanted)
    return queue_by_id(tx, queue_id)


def _add_queue(tx: Tx, queue_id: UUID, pool_id: UUID, priority: int, wanted: WorkQueueCreate) -> None:
    values = wanted.model_dump() | {"id": queue_id, "work_pool_id": pool_id, "priority": priority}
    prepared.add(tx, work_queues, values | {"created": tx.now, "updated": tx.now})


def _priorities(tx: Tx, pool_id: UUID) -> set[int]:
    rows = tx.all(select(work_queues.c.priority).where(work_queues.c.work_pool_id == pool_id))
    return {row.priority for row in rows}


def _shift(tx: Tx, pool_id: UUID, start: int, taken: set[int]) -> None:
    """Move the queues from `start` on down by one, up to the first gap."""
    end = next(n for n in range(start, start + len(taken) + 1) if n not in taken)
    moved = (work_queues.c.work_pool_id == pool_id, func.abs(work_queues.c.priority).between(start, end))
    # By way of negative numbers: priorities are unique at every moment, row by row.
    tx.run(update(work_queues).where(*moved).values(priority=-work_queues.c.priority - 1))
    tx.run(
        update(work_queues)
        .where(work_queues.c.work_pool_id == pool_id, work_queues.c.priority < 0)
        .values(priority=-work_queues.c.priority)
    )


def queue_by_id(tx: Tx, queue_id: UUID) -> Row[Any]:
    """The queue with this id. Raises `NotFoundError`."""
    row = prepared.first(tx, work_queues.c.id, queue_id)
    if not row:
        raise NotFoundError(f"Work queue {queue_id} not found")
    return row


def queue_by_name(tx: Tx, pool_name: str, name: str) -> Row[Any]:
    """The pool's queue of this name. Raises `NotFoundError`."""
    pool = by_name(tx, pool_name)
    row = tx.one(select(work_queues).where(work_queues.c.work_pool_id == pool.id, work_queues.c.name == name))
    if not row:
        raise NotFoundError(f"Work pool {pool_name!r} has no work queue {name!r}")
    return row


def only_queue_named(tx: Tx, name: str) -> Row[Any]:
    """The queue of this name in whatever pool. Raises `NotFoundError`, also where several pools have one."""
    rows = tx.all(select(work_queues).where(work_queues.c.name == name).limit(2))
    if len(rows) != 1:
        why = "Several work pools have a" if rows else "No work pool has a"
        raise NotFoundError(f"{why} work queue {name!r}: name the pool with --pool")
    return rows[0]


def queues_of(tx: Tx, pool_id: UUID) -> list[Row[Any]]:
    """The pool's queues, the highest priority first."""
    return sorted(prepared.every(tx, work_queues.c.work_pool_id, [pool_id]), key=lambda row: row.priority)


def update_queue(tx: Tx, queue_id: UUID, changes: WorkQueueUpdate) -> None:
    """Change the given fields; a new priority shifts those that are in its way."""
    queue = queue_by_id(tx, queue_id)
    values = changes.model_dump(exclude_unset=True)
    for never_null in ("is_paused", "name", "priority"):
        if values.get(never_null, ...) is None:
            del values[never_null]
    if values.get("name", queue.name) != queue.name:
        _check_rename(tx, queue, values["name"])
    _lock(tx, queue.work_pool_id)
    wanted = values.pop("priority", queue.priority)
    if wanted != queue.priority:
        taken = _priorities(tx, queue.work_pool_id) - {queue.priority}
        # Out of the way first, so that the others can be shifted into its place.
        out_of_the_way = max(taken, default=0) + wanted + 2
        tx.run(update(work_queues).where(work_queues.c.id == queue_id).values(priority=out_of_the_way))
        if wanted in taken:
            _shift(tx, queue.work_pool_id, wanted, taken)
        values["priority"] = wanted
    tx.run(update(work_queues).where(work_queues.c.id == queue_id).values(**values, updated=tx.now))
    _wake(tx, queue.work_pool_id)


def _check_rename(tx: Tx, queue: Row[Any], name: str) -> None:
    if tx.one(
        select(work_queues.c.id).where(work_queues.c.work_pool_id == queue.work_pool_id, work_queues.c.name == name)
    ):
        raise ConflictError(f"The work pool already has a queue named {name!r}")


def delete_queue(tx: Tx, queue_id: UUID) -> None:
    """Remove a queue; its deployments and waiting runs go over to the pool's default queue."""
    queue = queue_by_id(tx, queue_id)
    pool = by_id(tx, _lock(tx, queue.work_pool_id))
    if queue.id == pool.default_queue_id:
        raise ConflictError("The default queue of a work pool cannot be deleted")
    for table in (deployments, flow_runs, due_table, attempts_table):
        tx.run(update(table).where(table.c.work_queue_id == queue.id).values(work_queue_id=pool.default_queue_id))
    tx.run(delete(work_queues).where(work_queues.c.id == queue.id))
    _wake(tx, pool.id)
