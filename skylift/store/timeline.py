"""The timeline of a flow run: append-only, one line for each thing that happened to it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from sqlalchemy import Row, select

from skylift.ids import new_id
from skylift.store import prepared
from skylift.store.engine import Tx
from skylift.store.tables import flow_run_timeline as timeline


def entry(
    tx: Tx,
    flow_run_id: UUID,
    kind: str,
    message: str,
    *,
    attempt_id: UUID | None = None,
    remedy: str | None = None,
) -> dict[str, Any]:
    """A line to be added."""
    return {
        "id": new_id(),
        "flow_run_id": flow_run_id,
        "attempt_id": attempt_id,
        "at": tx.now,
        "kind": kind,
        "message": message,
        "remedy": remedy,
    }


def add(tx: Tx, entries: Iterable[dict[str, Any]]) -> None:
    """Append lines."""
    prepared.add(tx, timeline, *entries)


def note(
    tx: Tx,
    flow_run_id: UUID,
    kind: str,
    message: str,
    *,
    attempt_id: UUID | None = None,
    remedy: str | None = None,
) -> None:
    """Append one line."""
    add(tx, [entry(tx, flow_run_id, kind, message, attempt_id=attempt_id, remedy=remedy)])


def read(tx: Tx, flow_run_id: UUID) -> list[Row[Any]]:
    """All lines of a run, oldest first."""
    return tx.all(select(timeline).where(timeline.c.flow_run_id == flow_run_id).order_by(timeline.c.at, timeline.c.id))
