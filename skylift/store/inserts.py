"""Inserts that lose a race without an error."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Table

from skylift.store.engine import Tx


def insert_if_new(tx: Tx, table: Table, values: dict[str, Any]) -> bool:
    """Insert the row unless one with the same key or unique value is there, or is just being written by another
    transaction. Says whether it was inserted."""
    key = table.primary_key.columns[0]
    statement = _insert(tx, table).values(values).on_conflict_do_nothing().returning(key)
    return tx.one(statement) is not None


def insert_new(tx: Tx, table: Table, rows: list[dict[str, Any]]) -> None:
    """Insert those rows whose key or unique value is not there yet."""
    if rows:
        tx.run(_insert(tx, table).on_conflict_do_nothing(), rows)


def insert_or_replace(tx: Tx, table: Table, rows: list[dict[str, Any]], newer_by: str) -> None:
    """Insert these rows; one whose id is there replaces it where it is the newer by this column, all but `created`."""
    if rows:
        statement = _insert(tx, table)
        values = {name: statement.excluded[name] for name in rows[0] if name not in ("id", "created")}
        older = table.c[newer_by] < statement.excluded[newer_by]
        tx.run(statement.on_conflict_do_update(index_elements=["id"], set_=values, where=older), rows)


def _insert(tx: Tx, table: Table) -> Any:
    # Imported here: a database in use has its dialect loaded, and the other one's is slow to import for nothing.
    if tx.conn.dialect.name == "sqlite":
        from sqlalchemy.dialects import sqlite

        return sqlite.insert(table)
    from sqlalchemy.dialects import postgresql

    return postgresql.insert(table)
