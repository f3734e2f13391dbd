"""What was made in the cloud for a work pool.

Kept under the name of the pool, so that it outlives the pool: whoever deletes a pool too early can still have its
infrastructure removed.
"""

from __future__ import annotations

from typing import Any

from skylift.store import configuration
from skylift.store.engine import Tx


def read(tx: Tx, pool_name: str) -> dict[str, Any] | None:
    """The record that a provisioner left (`skylift.provisioner.Record`); None where there is none."""
    record: dict[str, Any] | None = configuration.read(tx, _key(pool_name))
    return record


def write(tx: Tx, pool_name: str, record: dict[str, Any]) -> None:
    """Keep it in the place of the one before; one without resources is forgotten."""
    if record.get("resources"):
        configuration.write(tx, _key(pool_name), record)
    else:
        configuration.clear(tx, _key(pool_name))


def _key(pool_name: str) -> str:
    return f"infrastructure/{pool_name}"
