"""The token buckets that pools of one account share, and what their provider refused as too many all the same."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, delete, func, select, update

from skylift.ids import new_id
from skylift.store import prepared
from skylift.store.engine import Tx
from skylift.store.tables import quota_buckets, throttles, work_pools

LATELY = timedelta(hours=1)
"""How long a refusal is remembered."""


def drain(tx: Tx, key: str) -> None:
    """The provider says that it was too much, whatever our own count says: begin again from nothing."""
    tx.run(update(quota_buckets).where(quota_buckets.c.key == key).values(tokens=0.0, filled_at=tx.now))
    tx.run(delete(throttles).where(throttles.c.bucket == key, throttles.c.at < tx.now - LATELY))
    prepared.add(tx, throttles, {"id": new_id(), "bucket": key, "at": tx.now})


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket as it is now."""

    key: str
    rate: float
    """Launches a second."""
    burst: int
    """Launches at once."""
    left: int
    next_at: datetime | None
    """Where none is left: when the next one is there."""


def bucket_of(tx: Tx, pool: Row[Any]) -> Bucket | None:
    """What the pool's last claim drew from; None: there was none, or its provider sets no limit."""
    row = tx.one(select(quota_buckets).where(quota_buckets.c.key == pool.quota_key)) if pool.quota_key else None
    if not row or row.rate is None or row.burst is None:
        return None
    tokens = min(row.burst, row.tokens + max(0.0, (tx.now - row.filled_at).total_seconds()) * row.rate)
    left = int(tokens + 1e-9)
    # From when it was filled, and not from now: whoever asks twice is told the same.
    next_at = None if left else row.filled_at + timedelta(seconds=(1 - row.tokens) / row.rate)
    return Bucket(row.key, row.rate, row.burst, left, next_at)


def shared_with(tx: Tx, pool: Row[Any], key: str) -> list[str]:
    """The names of the other pools that draw from this bucket."""
    others = (work_pools.c.quota_key == key, work_pools.c.id != pool.id)
    return [row.name for row in tx.all(select(work_pools.c.name).where(*others).order_by(work_pools.c.name))]


def throttled(tx: Tx, key: str) -> int:
    """How many launches of the last hour the provider refused as too many."""
    recent = (throttles.c.bucket == key, throttles.c.at >= tx.now - LATELY)
    return int(tx.conn.execute(select(func.count()).select_from(throttles).where(*recent)).scalar_one())
