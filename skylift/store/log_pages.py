"""A run's logs as they come in, page by page: for whoever follows them.

Pages go by batches, in the order in which they were taken in, which is nearly that of their lines' times. A batch may
be written after one with a later id (another process took that one in, or was quicker), so a cursor remembers which of
the latest batches it has passed, and what turns up between them comes with the next page.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, select

from skylift.errors import InvalidError
from skylift.models.runs import Log
from skylift.models.states import TERMINAL
from skylift.store import attempts, logs
from skylift.store.engine import Tx
from skylift.store.tables import ended_attempts, log_batches

LAST_WORDS = timedelta(seconds=10)
"""How long after its end the last lines of a run may come in that nobody watches for us."""
BEHIND = timedelta(seconds=10)
"""How much later than another's a batch may be written whose id is earlier."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far somebody has read."""

    seen: tuple[UUID, ...] = ()
    """The latest batches, in order; those before the first of them by `BEHIND` are all read."""

    @classmethod
    def read(cls, text: str | None) -> Cursor:
        """Raises `InvalidError`."""
        if not text:
            return cls()
        try:
            found = json.loads(base64.urlsafe_b64decode(text.encode()))
            return cls(tuple(UUID(each) for each in found))
        except (ValueError, TypeError, AttributeError, binascii.Error):
            raise InvalidError("`after` is no cursor of a page of logs", field="after") from None

    def __str__(self) -> str:
        return base64.urlsafe_b64encode(json.dumps([each.hex for each in self.seen]).encode()).decode()

    @property
    def start(self) -> UUID:
        """No batch before this one is still to come."""
        return _back(self.seen[-1]) if self.seen else UUID(int=0)

    def beyond(self, batches: Iterable[UUID]) -> Cursor:
        """After these were read, too."""
        seen = sorted({*self.seen, *batches})
        return Cursor(tuple(each for each in seen if each >= _back(seen[-1]))) if seen else self


def _back(batch: UUID) -> UUID:
    """The first id that a batch may have had `BEHIND` before this one."""
    millis = max(0, (batch.int >> 80) - BEHIND // timedelta(milliseconds=1))
    return UUID(int=millis << 80)


@dataclass(frozen=True, slots=True)
class Page:
    lines: list[Log]
    cursor: Cursor
    more: bool


def after(tx: Tx, flow_run_id: UUID, cursor: Cursor, limit: int, level: int) -> Page:
    """The lines of the next batches, until there are `limit` of them; a batch is never split. Of `level` and above."""
    batches = log_batches.c
    query = select(batches.id, batches.lines, batches.max_level).where(
        batches.flow_run_id == flow_run_id, batches.id >= cursor.start, batches.id.not_in(cursor.seen)
    )
    chosen: list[UUID] = []
    opened: list[UUID] = []
    lines, more = 0, False
    with tx.conn.execute(query.order_by(batches.id), execution_options={"yield_per": 200}) as found:
        for batch in found:
            if lines >= limit:
                more = True
                break
            chosen.append(batch.id)
            if batch.max_level >= level:
                opened.append(batch.id)
                lines += batch.lines
    kept = [line for line in logs.of_batches(tx, opened) if line.level >= level]
    return Page(kept, cursor.beyond(chosen), more)


def has_said_all(tx: Tx, run: Row[Any]) -> bool:
    """Whether no more lines will come in. A runner says last of all that it is over; without one a while has to go
    by."""
    if run.state_type not in TERMINAL or attempts.of_run(tx, run.id):
        return False
    was_watched = tx.one(select(ended_attempts.c.id).where(ended_attempts.c.flow_run_id == run.id).limit(1))
    return was_watched is not None or bool(run.state_timestamp < tx.now - LAST_WORDS)
