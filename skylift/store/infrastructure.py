"""What was made in the cloud for a work pool, and what was last seen of it.

Kept under the name of the pool, so that it outlives the pool: whoever deletes a pool too early can still have its
infrastructure removed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Row, select

from skylift.store import configuration
from skylift.store.engine import Tx
from skylift.store.prefixes import begins
from skylift.store.tables import configuration as table

MADE, SEEN = "infrastructure/", "infrastructure-seen/"


def read(tx: Tx, pool_name: str) -> dict[str, Any] | None:
    """The record that a provisioner left (`skylift.provisioner.Record`); None where there is none."""
    record: dict[str, Any] | None = configuration.read(tx, MADE + pool_name)
    return record


def write(tx: Tx, pool_name: str, record: dict[str, Any]) -> None:
    """Keep it in the place of the one before; one without resources is forgotten. What was seen before is no more."""
    configuration.clear(tx, SEEN + pool_name)
    if record.get("resources"):
        configuration.write(tx, MADE + pool_name, record)
    else:
        configuration.clear(tx, MADE + pool_name)


def note_seen(tx: Tx, pool_name: str, seen: Mapping[str, Any]) -> None:
    """Keep what somebody saw (`skylift.models.console.pools.SeenInfrastructure`), and when."""
    configuration.write(tx, SEEN + pool_name, dict(seen))


def both(tx: Tx, pool_name: str) -> tuple[Row[Any] | None, Row[Any] | None]:
    """What was made, and what was seen of it since: each with its `value` and when it was written (`updated`)."""
    wanted = [MADE + pool_name, SEEN + pool_name]
    rows = {row.key: row for row in tx.all(select(table).where(table.c.key.in_(wanted)))}
    return rows.get(wanted[0]), rows.get(wanted[1])


def all_seen(tx: Tx) -> dict[str, Row[Any]]:
    """What was last seen of each pool's infrastructure, by the pool's name."""
    rows = tx.all(select(table).where(begins(table.c.key, SEEN)).order_by(table.c.key))
    return {row.key.removeprefix(SEEN): row for row in rows}
