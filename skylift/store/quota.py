"""The token buckets that pools of one account share."""

from __future__ import annotations

from sqlalchemy import update

from skylift.store.engine import Tx
from skylift.store.tables import quota_buckets


def drain(tx: Tx, key: str) -> None:
    """The provider says that it was too much, whatever our own count says: begin again from nothing."""
    tx.run(update(quota_buckets).where(quota_buckets.c.key == key).values(tokens=0.0, filled_at=tx.now))
