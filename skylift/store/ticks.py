"""When the timer last came."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select

from skylift.store import configuration
from skylift.store.engine import Tx
from skylift.store.tables import configuration as table

KEY = "timer"


@dataclass(frozen=True, slots=True)
class Tick:
    at: datetime
    every: timedelta
    """How soon after it the next one was to be noted."""


def note(tx: Tx, every: timedelta) -> None:
    """It has come, and is to be noted again after this time."""
    configuration.write(tx, KEY, every.total_seconds())


def last(tx: Tx) -> Tick | None:
    """None: it was never noted."""
    row = tx.one(select(table.c.updated, table.c.value).where(table.c.key == KEY))
    return Tick(row.updated, timedelta(seconds=row.value)) if row else None
