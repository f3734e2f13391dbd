"""Sealing anew: whatever an older key has sealed is sealed with the newest, so that the older one can go.

Which key has sealed a value is told by trying, so nothing has to be remembered: it may be stopped anywhere, called
again, and called by several at once. Keys in the environment are the operator's to change, in every process; the key in
the home folder's file is changed here: a new one first, beside the old one, which goes when nothing needs it any more.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from typing import Any
from uuid import UUID

from sqlalchemy import Column, Row, select, update

from skylift.models.upkeep import Rotated
from skylift.parts import Parts
from skylift.security.sealing import SealError
from skylift.store import Tx
from skylift.store.tables import attempts, block_documents, ended_attempts, webhooks

BATCH = 100
SETTLE = 3.0
"""Seconds after which what was being sealed when the key changed is in the database: it is looked at once more then."""

SEALED: tuple[tuple[Column[Any], Any], ...] = (
    (block_documents.c.data, None),
    (webhooks.c.secrets, None),
    (attempts.c.request, None),
    # What was launched is read once more to clean up after it, and then never again.
    (ended_attempts.c.request, ended_attempts.c.cleanup_at.is_not(None)),
)
"""Every column that holds what is sealed, and which of its rows are still read."""
KEPT = (block_documents, webhooks)
"""Of which each row stays until somebody deletes it."""


def rotate(parts: Parts, *, dry_run: bool = False, until: float = math.inf, settle: float = SETTLE) -> Rotated:
    """Seal all that is sealed with the newest key, until `time.monotonic()` is at `until`; says how much it was.

    Raises `ConflictError` while another process changes the key file.
    """
    file = parts.sealer.file
    if dry_run or not file:
        done = _pass(parts, dry_run=dry_run, until=until)
        if file and len(file.keys()) == 1:  # all of it, since there would be a new key
            done.resealed, done.current = done.current, 0
    else:
        with file.changing():
            if len(file.keys()) == 1:
                file.begin()
            first = _pass(parts, dry_run=False, until=until)
            time.sleep(max(0.0, min(settle, until - time.monotonic())))
            done = _pass(parts, dry_run=False, until=until)
            done.current = max(0, done.current - first.resealed)
            done.resealed += first.resealed
            if done.complete:
                file.finish()
    done.key_file, done.keys = file is not None, len(parts.sealer.keys)
    return done


def _pass(parts: Parts, *, dry_run: bool, until: float) -> Rotated:
    done = Rotated()
    for column, condition in SEALED:
        _column(parts, column, condition, done, dry_run=dry_run, until=until)
    return done


def _column(parts: Parts, column: Column[Any], condition: Any, done: Rotated, *, dry_run: bool, until: float) -> None:
    for rows in _batches(parts, column, condition):
        if time.monotonic() >= until:
            done.complete = False
            return
        changed: list[tuple[UUID, str, str]] = []
        for row in rows:
            try:
                fresh = parts.sealer.reseal(row.sealed)
            except SealError:
                # An attempt's request that opens with no key is lost with its attempt; the rest is somebody's.
                if column.table in KEPT:
                    done.unreadable.append(row.id)
                continue
            if fresh is None:
                done.current += 1
            else:
                changed.append((row.id, row.sealed, fresh))
        if dry_run:
            done.resealed += len(changed)
        elif changed:
            done.resealed += parts.store.transaction(_replace, column, changed)


def _batches(parts: Parts, column: Column[Any], condition: Any) -> Iterator[list[Row[Any]]]:
    key = column.table.c.id
    query = select(key, column.label("sealed")).where(column.is_not(None)).order_by(key).limit(BATCH)
    if condition is not None:
        query = query.where(condition)
    after: UUID | None = None
    while True:
        with parts.store.reading() as tx:
            rows = tx.all(query.where(key > after) if after else query)
        if rows:
            yield rows
            after = rows[-1].id
        if len(rows) < BATCH:
            return


def _replace(tx: Tx, column: Column[Any], changed: list[tuple[UUID, str, str]]) -> int:
    """What somebody else has changed meanwhile is left alone: it was sealed anew by that."""
    table = column.table
    return sum(
        tx.run(update(table).where(table.c.id == row_id, column == before).values({column.name: fresh}))
        for row_id, before, fresh in changed
    )
