"""Limits on tags of task runs: limits like the others, whose slots are held by task runs, one each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from uuid import UUID

from sqlalchemy import delete, select

from skylift.ids import new_id
from skylift.models.limits import TAG, Holder, TakenLimit
from skylift.store import limits
from skylift.store.engine import Tx
from skylift.store.tables import concurrency_leases as leases
from skylift.store.tables import concurrency_limits as table


def tag_name(tag: str) -> str:
    """The name of the limit on this tag."""
    return TAG + tag


def holders(tx: Tx, limit_ids: Sequence[UUID]) -> dict[UUID, list[UUID]]:
    """The task runs that hold slots of these limits, the first first."""
    rows = tx.all(
        select(leases.c.limit_id, leases.c.holder_id)
        .where(
            leases.c.limit_id.in_(limit_ids),
            leases.c.expires_at > tx.now,
            leases.c.holder_type == "task_run",
            leases.c.slots > 0,
        )
        .order_by(leases.c.created, leases.c.id)
    )
    found: dict[UUID, list[UUID]] = {limit_id: [] for limit_id in limit_ids}
    for row in rows:
        found[row.limit_id].append(row.holder_id)
    return found


def release_of(tx: Tx, names: Iterable[str], task_run_id: UUID) -> list[TakenLimit]:
    """Give back the slots of these limits that this task run holds. Says which limits there are."""
    found = tx.all(select(table.c.id).where(table.c.name.in_(sorted(set(names)))))
    mine = tx.all(
        select(leases.c.id).where(
            leases.c.limit_id.in_([row.id for row in found]),
            leases.c.holder_id == task_run_id,
            leases.c.holder_type == "task_run",
        )
    )
    for lease_id in sorted({row.id for row in mine}):
        limits.release(tx, lease_id)
    rows = tx.all(select(table).where(table.c.id.in_([row.id for row in found])).order_by(table.c.id))
    return [TakenLimit(id=row.id, name=row.name, limit=row.limit) for row in rows]


def reset(tx: Tx, name: str, task_run_ids: Iterable[UUID], lease_seconds: float) -> None:
    """Take all slots of this limit away, and let these task runs hold one each. Raises `NotFoundError`."""
    row = limits.locked(tx, name)
    tx.run(delete(leases).where(leases.c.limit_id == row.id))
    holding = list(dict.fromkeys(task_run_ids))
    for task_run_id in holding:
        limits.add_lease(tx, new_id(), {row.id: 1}, lease_seconds, Holder(type="task_run", id=task_run_id))
    limits.write(tx, row, active_slots=len(holding), denied_slots=0)
