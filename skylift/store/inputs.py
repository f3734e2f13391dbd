"""Inputs of flow runs: values that people and other runs send to a run, by key."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import func, select

from skylift.errors import ConflictError, InvalidError, NotFoundError
from skylift.ids import new_id
from skylift.models.runs import FlowRunInput, InputCreate
from skylift.store import runs
from skylift.store.engine import Tx
from skylift.store.filters import MAX_LIMIT
from skylift.store.inserts import insert_if_new
from skylift.store.prefixes import begins
from skylift.store.tables import flow_run_inputs as table

MAX_VALUE = 512 * 1024
"""Of a value, in characters."""
MAX_INPUTS = 10_000
"""Of one run, at once."""


def create(tx: Tx, run_id: UUID, wanted: InputCreate) -> None:
    """Raises `NotFoundError`, `ConflictError` for a key that is taken, `InvalidError` for what is too much."""
    runs.lock(tx, run_id)
    if len(wanted.value) > MAX_VALUE:
        raise InvalidError(f"An input may take at most {MAX_VALUE} characters", field="value")
    number = tx.conn.execute(select(func.count()).where(table.c.flow_run_id == run_id)).scalar_one()
    if number >= MAX_INPUTS:
        raise ConflictError(f"This run has {number} inputs that nobody has read: no more are taken")
    values = {"id": new_id(), "created": tx.now, "updated": tx.now, "flow_run_id": run_id, **wanted.model_dump()}
    if not insert_if_new(tx, table, values):
        raise ConflictError(f"This run already has an input with the key {wanted.key!r}")


def read(tx: Tx, run_id: UUID, key: str) -> str:
    """The value. Raises `NotFoundError`."""
    value = find(tx, run_id, key)
    if value is None:
        raise _missing(run_id, key)
    return value


def find(tx: Tx, run_id: UUID, key: str) -> str | None:
    """The value, if there is one."""
    row = tx.one(select(table.c.value).where(table.c.flow_run_id == run_id, table.c.key == key))
    return row.value if row else None


def delete(tx: Tx, run_id: UUID, key: str) -> None:
    """Raises `NotFoundError`."""
    if not tx.run(table.delete().where(table.c.flow_run_id == run_id, table.c.key == key)):
        raise _missing(run_id, key)


def matching(tx: Tx, run_id: UUID, prefix: str, limit: int, without: Sequence[str] = ()) -> list[FlowRunInput]:
    """Inputs whose keys begin like this, the oldest first."""
    query = select(table).where(
        table.c.flow_run_id == run_id,
        begins(table.c.key, prefix),
        table.c.key.not_in(list(without)),
    )
    rows = tx.all(query.order_by(table.c.created, table.c.id).limit(min(limit, MAX_LIMIT)))
    return [FlowRunInput.model_validate(row) for row in rows]


def _missing(run_id: UUID, key: str) -> NotFoundError:
    return NotFoundError(f"Flow run {run_id} has no input {key!r}")
