"""Statements that are built once and sent often: to build one costs as much time as to send it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import Column, Insert, Row, Select, Table, Update, bindparam, insert, select, update

from skylift.store.engine import Tx


@cache
def _select(column: Column[Any]) -> Select[Any]:
    return select(column.table).where(column == bindparam("wanted"))


@cache
def _select_many(column: Column[Any]) -> Select[Any]:
    return select(column.table).where(column.in_(bindparam("wanted", expanding=True)))


@cache
def _insert(table: Table) -> Insert:
    return insert(table)


@cache
def _update(table: Table, names: tuple[str, ...]) -> Update:
    return (
        update(table).where(table.c.id == bindparam("of_id")).values({name: bindparam(f"new_{name}") for name in names})
    )


@cache
def _lock(table: Table) -> Update:
    return _update(table, ("updated",)).returning(*table.c)


def first(tx: Tx, column: Column[Any], value: Any) -> Row[Any] | None:
    """The row of the column's table that has this value there, if there is one."""
    return tx.one(_select(column), {"wanted": value})


def every(tx: Tx, column: Column[Any], values: Iterable[Any]) -> list[Row[Any]]:
    """The rows that have one of these values there, in no order."""
    wanted = list(values)
    return tx.all(_select_many(column), {"wanted": wanted}) if wanted else []


def by_id(tx: Tx, table: Table, ids: Iterable[UUID | None]) -> dict[UUID, Row[Any]]:
    """The rows of the table that have these ids; None is nobody's."""
    return {row.id: row for row in every(tx, table.c.id, {each for each in ids if each})}


def add(tx: Tx, table: Table, *rows: dict[str, Any]) -> None:
    """Insert rows; all have the same columns."""
    if rows:
        tx.run(_insert(table), list(rows) if len(rows) > 1 else rows[0])


def change(tx: Tx, table: Table, row_id: UUID, values: dict[str, Any]) -> bool:
    """Change columns of the row with this id; False where there is none."""
    return tx.run(_update(table, tuple(values)), _given(row_id, values)) == 1


def change_many(tx: Tx, table: Table, changes: Mapping[UUID, Mapping[str, Any]]) -> None:
    """Change columns of the rows with these ids, of each the same ones."""
    if changes:
        names = tuple(next(iter(changes.values())))
        tx.run(_update(table, names), [_given(row_id, values) for row_id, values in changes.items()])


def _given(row_id: UUID, values: Mapping[str, Any]) -> dict[str, Any]:
    """What `_update` asks for."""
    return {"of_id": row_id, **{f"new_{name}": value for name, value in values.items()}}


def lock(tx: Tx, table: Table, row_id: UUID) -> Row[Any] | None:
    """The row, if there is one; others who want to change it wait until this transaction is over."""
    return tx.one(_lock(table), {"of_id": row_id, "new_updated": tx.now})
