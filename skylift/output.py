"""The output of bare commands, brought from their providers into their runs' logs."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, update

from skylift.models.runs import LogCreate
from skylift.parts import Parts
from skylift.provider import ForwardsOutput, Provider
from skylift.store import Tx, logs
from skylift.watching import watched

PAGES = 16
"""Read of one command's output before others have their turn."""


def forward_output(parts: Parts, provider: Provider, row: Row[Any], table: Any) -> bool:
    """Bring a bare command's new output into the run's logs; says whether that is all there is for now.

    `table` holds the row's offset.
    """
    if not isinstance(provider, ForwardsOutput):
        return True
    known, offset = watched(parts, row), row.output_offset
    for _ in range(PAGES):
        lines, after = provider.output_since(known, offset)
        if after == offset:
            return True
        if not parts.store.transaction(_keep_output, table, row, offset, after, lines):
            return False  # another is at it
        offset = after
    return False


def _keep_output(tx: Tx, table: Any, row: Row[Any], offset: int, after: int, lines: list[tuple[datetime, str]]) -> bool:
    moved = update(table).where(table.c.id == row.id, table.c.output_offset == offset).values(output_offset=after)
    if not tx.run(moved):
        return False
    for start in range(0, len(lines), logs.MAX_POST):
        logs.append(tx, [_log(row.flow_run_id, at, line) for at, line in lines[start : start + logs.MAX_POST]])
    return True


def _log(run_id: UUID, at: datetime, line: str) -> LogCreate:
    return LogCreate(name="output", level=20, message=line, timestamp=at, flow_run_id=run_id)
