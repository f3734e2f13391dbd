"""Single values that the installation keeps under a name."""

from __future__ import annotations

from typing import Any

from sqlalchemy import delete, select, update

from skylift.store.engine import TryAgainError, Tx
from skylift.store.inserts import insert_if_new
from skylift.store.tables import configuration as table


def read(tx: Tx, key: str) -> Any:
    """The JSON value; None where there is none."""
    row = tx.one(select(table.c.value).where(table.c.key == key))
    return row.value if row else None


def write(tx: Tx, key: str, value: Any) -> None:
    """Set it, whatever it was."""
    values = {"value": value, "updated": tx.now}
    if tx.run(update(table).where(table.c.key == key).values(**values)):
        return
    if not insert_if_new(tx, table, {"key": key, **values}):
        raise TryAgainError(f"Another request has just set {key}")


def clear(tx: Tx, key: str) -> None:
    """From now on there is none."""
    tx.run(delete(table).where(table.c.key == key))
