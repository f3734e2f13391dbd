"""Flows: named things that deployments and runs belong to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import Row, func, select

from skylift.errors import ConflictError, NotFoundError
from skylift.ids import new_id
from skylift.models.flows import Flow, FlowCreate, FlowUpdate
from skylift.store import prepared
from skylift.store.engine import Tx
from skylift.store.filters import count_rows, select_filtered
from skylift.store.inserts import insert_if_new
from skylift.store.tables import deployments, flow_runs, flows


def create(tx: Tx, wanted: FlowCreate) -> tuple[Flow, bool]:
    """The flow of this name, and whether it was made just now. One that exists stays as it is."""
    row = tx.one(select(flows).where(flows.c.name == wanted.name))
    if row:
        return Flow.model_validate(row), False
    values = {"id": new_id(), "created": tx.now, "updated": tx.now, **wanted.model_dump()}
    made = insert_if_new(tx, flows, values)
    return by_name(tx, wanted.name), made


def by_id(tx: Tx, flow_id: UUID) -> Flow:
    """Raises `NotFoundError`."""
    return _found(prepared.first(tx, flows.c.id, flow_id), str(flow_id))


def by_name(tx: Tx, name: str) -> Flow:
    """Raises `NotFoundError`."""
    return _found(prepared.first(tx, flows.c.name, name), repr(name))


def find(
    tx: Tx,
    filters: Mapping[str, Any] | None = None,
    sort: str | None = None,
    limit: int | None = None,
    offset: int | None = None,
) -> list[Flow]:
    """What the wire's filter asks for."""
    return [Flow.model_validate(row) for row in tx.all(select_filtered("flows", filters, sort, limit, offset))]


def count(tx: Tx, filters: Mapping[str, Any] | None = None) -> int:
    """How many the wire's filter matches."""
    return count_rows(tx, "flows", filters)


def update(tx: Tx, flow_id: UUID, wanted: FlowUpdate) -> None:
    """Change what is given. Raises `NotFoundError`."""
    changes = wanted.model_dump(exclude_unset=True, exclude_none=True)
    if not tx.run(flows.update().where(flows.c.id == flow_id).values(**changes, updated=tx.now)):
        raise _missing(str(flow_id))


def delete(tx: Tx, flow_id: UUID) -> None:
    """Raises `ConflictError` while deployments or runs belong to it: their history would lose its name."""
    flow = by_id(tx, flow_id)
    for table, things in ((deployments, "deployments"), (flow_runs, "flow runs")):
        left = tx.one(select(func.count().label("number")).where(table.c.flow_id == flow_id))
        if left and left.number:
            raise ConflictError(f"The flow {flow.name!r} has {left.number} {things}: delete those first, then the flow")
    tx.run(flows.delete().where(flows.c.id == flow_id))


def _found(row: Row[Any] | None, what: str) -> Flow:
    if row is None:
        raise _missing(what)
    return Flow.model_validate(row)


def _missing(what: str) -> NotFoundError:
    return NotFoundError(f"There is no flow {what}")
