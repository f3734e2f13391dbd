"""Concurrency limits: slots that flows and tasks take and give back, or that decay; and the leases that hold them.

Whoever wants to change slots first locks the limits, in the order of their ids; that alone keeps two from getting the
same slot. A lease that has run out gives its slots back when somebody asks for them, or in a sweep. Readers subtract
what such leases still hold, so nobody ever sees them.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil
from typing import Any
from uuid import UUID

from sqlalchemy import Row, delete, func, insert, select, update

from skylift.errors import ConflictError, GoneError, InvalidError, NotFoundError
from skylift.ids import new_id
from skylift.models.limits import (
    ConcurrencyLimit,
    ConcurrencyLimitCreate,
    ConcurrencyLimitUpdate,
    Holder,
    Mode,
    TakenLimit,
)
from skylift.store.engine import Tx
from skylift.store.inserts import insert_if_new
from skylift.store.prefixes import begins
from skylift.store.tables import concurrency_leases as leases
from skylift.store.tables import concurrency_limits as table

FIRST_GUESS = 2.0
"""Seconds that a slot is held, before anybody gave one back."""
LONGEST_WAIT = 30.0
SHORTEST_HOLD = 0.1
SAMPLES_PER_SLOT = 2
"""How many times its own size of slots given back a limit's average looks back on."""
ROUNDING = 1e-9
MOST_SWEPT = 200


# -- limits -----------------------------------------------------------------------------------------------------------


def create(tx: Tx, wanted: ConcurrencyLimitCreate) -> ConcurrencyLimit:
    """Raises `ConflictError` where the name is taken."""
    values = wanted.model_dump() | {"id": new_id(), "created": tx.now, "updated": tx.now, "slots_at": tx.now}
    if not insert_if_new(tx, table, values | {"avg_slot_occupancy_seconds": FIRST_GUESS}):
        raise ConflictError(f"A concurrency limit with the name {wanted.name!r} already exists")
    return view(tx, [row_of(tx, wanted.name)])[0]


def row_of(tx: Tx, key: UUID | str) -> Row[Any]:
    """The limit with this id or name; what looks like an id is one. Raises `NotFoundError`."""
    row = tx.one(select(table).where(_is(key)))
    if not row:
        raise NotFoundError(f"There is no concurrency limit {key!s}")
    return row


def read(tx: Tx, key: UUID | str) -> ConcurrencyLimit:
    """The limit as it is now. Raises `NotFoundError`."""
    return view(tx, [row_of(tx, key)])[0]


def page(tx: Tx, limit: int, offset: int, prefix: str = "") -> list[Row[Any]]:
    """Limits in the order of their names, only those whose names begin like this."""
    query = select(table).order_by(table.c.name).limit(limit).offset(offset)
    return tx.all(query.where(begins(table.c.name, prefix)) if prefix else query)


def view(tx: Tx, rows: Sequence[Row[Any]]) -> list[ConcurrencyLimit]:
    """Limits as they are now."""
    overdue = _overdue(tx, [row.id for row in rows])
    return [
        ConcurrencyLimit.model_validate(
            dict(row._mapping)
            | {
                "active_slots": ceil(max(0.0, _decayed(row, tx.now) - overdue.get(row.id, 0)) - ROUNDING),
                "denied_slots": ceil(_denied(row, tx.now) - ROUNDING),
            }
        )
        for row in rows
    ]


def _overdue(tx: Tx, limit_ids: Sequence[UUID]) -> dict[UUID, int]:
    """Slots that leases which have run out still hold."""
    rows = tx.all(
        select(leases.c.limit_id, func.sum(leases.c.slots).label("slots"))
        .where(leases.c.limit_id.in_(limit_ids), leases.c.expires_at <= tx.now)
        .group_by(leases.c.limit_id)
    )
    return {row.limit_id: int(row.slots) for row in rows}


def change(tx: Tx, key: UUID | str, wanted: ConcurrencyLimitUpdate) -> None:
    """Change what is given. Raises `NotFoundError`, `ConflictError`."""
    row = locked(tx, key)
    changes = wanted.model_dump(exclude_unset=True, exclude_none=True)
    if "name" in changes and tx.one(select(table.c.id).where(table.c.name == changes["name"], table.c.id != row.id)):
        raise ConflictError(f"A concurrency limit with the name {changes['name']!r} already exists")
    write(tx, row, **({"active_slots": _decayed(row, tx.now), "denied_slots": _denied(row, tx.now)} | changes))


def remove(tx: Tx, key: UUID | str) -> None:
    """Delete the limit; leases hold nothing of it any more. Raises `NotFoundError`."""
    row = locked(tx, key)
    tx.run(delete(leases).where(leases.c.limit_id == row.id))
    tx.run(delete(table).where(table.c.id == row.id))


# -- slots ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Taken:
    """The slots are the caller's."""

    limits: list[TakenLimit]
    lease_id: UUID


@dataclass(frozen=True, slots=True)
class Denied:
    """There is no room."""

    retry_after: float
    """Seconds after which it is worth another try: scattered, so that those who wait do not come all at once."""
    limit: str
    """The limit that is in the way."""


def take(
    tx: Tx,
    names: Iterable[str],
    slots: int,
    mode: Mode = Mode.CONCURRENCY,
    *,
    lease_seconds: float | None = None,
    holder: Holder | None = None,
) -> Taken | Denied:
    """Take slots of all these limits or of none; with a lease where it is to last for `lease_seconds` only.

    Raises `InvalidError` where a limit is smaller than what is asked for, or knows no decay and should be a rate limit.
    """
    found = tx.all(select(table.c.id).where(table.c.name.in_(sorted(set(names)))))
    rows = lock(tx, [row.id for row in found])
    active = [row for row in rows if row.active]
    for row in active:
        _check(row, slots, mode)
    freed = _expire(tx, active)
    used = {row.id: max(0.0, _decayed(row, tx.now) - freed.get(row.id, 0)) for row in active}
    full = [row for row in active if used[row.id] + slots > row.limit + ROUNDING]
    for row in active:
        denied = _denied(row, tx.now) + (slots if full else 0)
        write(tx, row, active_slots=used[row.id] + (0 if full else slots), denied_slots=denied)
    if full:
        return _refuse(tx, active, slots)
    lease_id = new_id()
    if lease_seconds is not None:
        add_lease(tx, lease_id, {row.id: slots if row.active else 0 for row in rows}, lease_seconds, holder)
    return Taken([TakenLimit(id=row.id, name=row.name, limit=row.limit) for row in rows], lease_id)


def _check(row: Row[Any], slots: int, mode: Mode) -> None:
    if row.limit < slots:
        raise InvalidError(
            f"Slots requested is greater than the limit: {slots} of {row.name!r}, which has {row.limit}", field="slots"
        )
    if mode is Mode.RATE_LIMIT and row.slot_decay_per_second == 0:
        raise InvalidError(
            f"{row.name!r} cannot limit a rate, since its slots do not decay: give it a slot decay per second",
            field="mode",
        )


def _refuse(tx: Tx, active: Sequence[Row[Any]], slots: int) -> Denied:
    """The wait that those who were refused before and this one would take, if slots were given back as they were."""

    def ahead(row: Row[Any]) -> float:
        waiting: float = slots + _denied(row, tx.now)
        return waiting if row.slot_decay_per_second else waiting / row.limit

    row = max(active, key=ahead)
    if row.slot_decay_per_second:
        wait = ahead(row) / row.slot_decay_per_second
    else:
        wait = min(LONGEST_WAIT, min(LONGEST_WAIT, row.avg_slot_occupancy_seconds) * ahead(row))
    return Denied(round(wait * random.uniform(0.7, 1.3), 3), row.name)  # noqa: S311 - jitter is no secret


def give_back(tx: Tx, names: Iterable[str], slots: int, occupancy_seconds: float | None = None) -> list[TakenLimit]:
    """Give back slots that no lease holds."""
    found = tx.all(select(table.c.id).where(table.c.name.in_(sorted(set(names)))))
    rows = lock(tx, [row.id for row in found])
    for row in rows:
        if row.active:
            _free(tx, row, slots, occupancy_seconds)
    return [TakenLimit(id=row.id, name=row.name, limit=row.limit) for row in rows]


def _free(tx: Tx, row: Row[Any], slots: int, occupancy_seconds: float | None = None) -> None:
    values = {"active_slots": max(0.0, _decayed(row, tx.now) - slots), "denied_slots": _denied(row, tx.now)}
    if occupancy_seconds and slots and row.limit:
        one = max(SHORTEST_HOLD, occupancy_seconds / slots)
        average = row.avg_slot_occupancy_seconds
        values["avg_slot_occupancy_seconds"] = average + (one - average) / (row.limit * SAMPLES_PER_SLOT)
    write(tx, row, **values)


# -- leases -----------------------------------------------------------------------------------------------------------


def add_lease(tx: Tx, lease_id: UUID, slots: dict[UUID, int], seconds: float, holder: Holder | None) -> None:
    common = {
        "id": lease_id,
        "created": tx.now,
        "expires_at": tx.now + timedelta(seconds=seconds),
        "holder_type": holder.type if holder else None,
        "holder_id": holder.id if holder else None,
    }
    tx.run(insert(leases), [common | {"limit_id": limit_id, "slots": taken} for limit_id, taken in slots.items()])


def renew(tx: Tx, lease_id: UUID, seconds: float) -> None:
    """Let it last for so long from now. Raises `GoneError` where it has run out or was given back."""
    mine = (leases.c.id == lease_id, leases.c.expires_at > tx.now)
    if not tx.run(update(leases).where(*mine).values(expires_at=tx.now + timedelta(seconds=seconds))):
        raise GoneError(f"The lease {lease_id} has run out or was given back: ask for the slots again")


def release(tx: Tx, lease_id: UUID) -> None:
    """Give back what the lease holds. One that is over already holds nothing."""
    held = tx.all(select(leases.c.limit_id).where(leases.c.id == lease_id))
    rows = {row.id: row for row in lock(tx, [row.limit_id for row in held])}
    gone = tx.conn.execute(delete(leases).where(leases.c.id == lease_id).returning(*leases.c)).all()
    for lease in gone:
        if lease.slots and lease.limit_id in rows:
            _free(tx, rows[lease.limit_id], lease.slots, (tx.now - lease.created).total_seconds())


def _expire(tx: Tx, rows: Sequence[Row[Any]]) -> dict[UUID, int]:
    """Remove what has run out on these locked limits; the slots that this frees, by limit."""
    if not rows:
        return {}
    gone = tx.conn.execute(
        delete(leases)
        .where(leases.c.limit_id.in_([row.id for row in rows]), leases.c.expires_at <= tx.now)
        .returning(leases.c.limit_id, leases.c.slots)
    ).all()
    freed: dict[UUID, int] = {}
    for each in gone:
        freed[each.limit_id] = freed.get(each.limit_id, 0) + each.slots
    return freed


def any_is_over(tx: Tx) -> bool:
    """Whether a sweep has anything to do."""
    return tx.one(select(leases.c.id).where(leases.c.expires_at <= tx.now).limit(1)) is not None


def sweep(tx: Tx, most: int = MOST_SWEPT) -> int:
    """Remove leases that have run out, and free what they hold; says of how many limits. For the timer: nobody has to
    wait for it, since who asks for slots does the same for the limits in question."""
    over = tx.all(select(leases.c.limit_id).where(leases.c.expires_at <= tx.now).distinct().limit(most))
    rows = lock(tx, [row.limit_id for row in over])
    freed = _expire(tx, rows)
    for row in rows:
        if freed.get(row.id):
            _free(tx, row, freed[row.id])
    others = {row.limit_id for row in over} - {row.id for row in rows}
    tx.run(delete(leases).where(leases.c.limit_id.in_(sorted(others)), leases.c.expires_at <= tx.now))
    return len(over)


# -- arithmetic -------------------------------------------------------------------------------------------------------


def _is(key: UUID | str) -> Any:
    return table.c.id == key if isinstance(key, UUID) else table.c.name == key


def locked(tx: Tx, key: UUID | str) -> Row[Any]:
    """The limit with this id or name, locked. Raises `NotFoundError`."""
    rows = lock(tx, [row_of(tx, key).id])
    return rows[0] if rows else row_of(tx, key)  # deleted in between: says so


def lock(tx: Tx, ids: Iterable[UUID]) -> list[Row[Any]]:
    """These limits, those that there are; whoever else wants to change them waits until this transaction is over."""
    rows = (
        tx.conn.execute(update(table).where(table.c.id == each).values(updated=tx.now).returning(*table.c)).first()
        for each in sorted(set(ids))
    )
    return [row for row in rows if row]


def write(tx: Tx, row: Row[Any], **values: Any) -> None:
    tx.run(update(table).where(table.c.id == row.id).values(**values, updated=tx.now, slots_at=tx.now))


def _decayed(row: Row[Any], now: datetime) -> float:
    left: float = row.active_slots - row.slot_decay_per_second * _since(row, now)
    return max(0.0, left)


def _denied(row: Row[Any], now: datetime) -> float:
    """Those who were refused are forgotten at the pace at which slots become free."""
    rate = row.slot_decay_per_second or 1 / min(LONGEST_WAIT, max(SHORTEST_HOLD, row.avg_slot_occupancy_seconds))
    left: float = row.denied_slots - rate * _since(row, now)
    return max(0.0, left)


def _since(row: Row[Any], now: datetime) -> float:
    seconds: float = (now - row.slots_at).total_seconds()
    return max(0.0, seconds)
