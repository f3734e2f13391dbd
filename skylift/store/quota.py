"""The token buckets that pools of one account share."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, update

from skylift.store.engine import Tx
from skylift.store.tables import quota_buckets


def drain(tx: Tx, key: str) -> None:
    """The provider says that it was too much, whatever our own count says: begin again from nothing."""
    tx.run(update(quota_buckets).where(quota_buckets.c.key == key).values(tokens=0.0, filled_at=tx.now))


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket as it is now."""

    key: str
    rate: float
    burst: int
    left: int
    next_at: datetime | None
    """Where none is left: when the next one is there."""


def bucket_of(tx: Tx, pool: Row[Any]) -> Bucket | None:
    """What the pool's last claim drew from; None: no quota."""
    return None
