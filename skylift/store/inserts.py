"""Inserts that lose a race without an error."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql, sqlite

from skylift.store.engine import Tx


def insert_if_new(tx: Tx, table: Table, values: dict[str, Any]) -> bool:
    """Insert the row unless one with the same key or unique value is there, or is just being written by another
    transaction. Says whether it was inserted."""
    make = sqlite.insert if tx.conn.dialect.name == "sqlite" else postgresql.insert
    key = table.primary_key.columns[0]
    return tx.one(make(table).values(values).on_conflict_do_nothing().returning(key)) is not None
