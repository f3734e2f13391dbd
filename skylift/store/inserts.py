"""Inserts that lose a race without an error."""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import Table

from skylift.store.engine import Tx


def insert_if_new(tx: Tx, table: Table, values: dict[str, Any]) -> bool:
    """Insert the row unless one with the same key or unique value is there, or is just being written by another
    transaction. Says whether it was inserted."""
    return tx.one(_if_new(table, tx.conn.dialect.name), values) is not None


def insert_new(tx: Tx, table: Table, rows: list[dict[str, Any]]) -> None:
    """Insert those rows whose key or unique value is not there yet."""
    if rows:
        tx.run(_insert(table, tx.conn.dialect.name).on_conflict_do_nothing(), rows)


def insert_or_replace(tx: Tx, table: Table, rows: list[dict[str, Any]], newer_by: str) -> None:
    """Insert these rows; one whose id is there replaces it where it is the newer by this column, all but `created`."""
    if rows:
        statement = _insert(table, tx.conn.dialect.name)
        values = {name: statement.excluded[name] for name in rows[0] if name not in ("id", "created")}
        older = table.c[newer_by] < statement.excluded[newer_by]
        tx.run(statement.on_conflict_do_update(index_elements=["id"], set_=values, where=older), rows)


@cache
def _if_new(table: Table, dialect: str) -> Any:
    """Built once: that takes longer than to run it."""
    key = table.primary_key.columns[0]
    return _insert(table, dialect).on_conflict_do_nothing().returning(key)


def _insert(table: Table, dialect: str) -> Any:
    # Imported here: a database in use has its dialect loaded, and the other one's is slow to import for nothing.
    if dialect == "sqlite":
        from sqlalchemy.dialects import sqlite

        return sqlite.insert(table)
    from sqlalchemy.dialects import postgresql

    return postgresql.insert(table)
