"""Runs that failed lately, grouped by why."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import func, select

from skylift.models.console.base import RunRow
from skylift.models.states import StateType
from skylift.store import run_rows
from skylift.store.engine import Tx
from skylift.store.tables import flow_runs

LATELY = timedelta(days=1)
MOST = 1000
"""Runs that are looked at, the newest."""
_FAILED = (str(StateType.FAILED), str(StateType.CRASHED))
_VARIES = re.compile(r"[0-9a-f]{8,}(?:-[0-9a-f]{4,})*|\d+", re.IGNORECASE)
"""What differs from run to run in messages that say the same: ids, numbers, addresses."""


@dataclass(slots=True)
class Group:
    """Runs that failed for the same reason."""

    newest: RunRow
    count: int = 0


def of_last_day(tx: Tx) -> tuple[int, list[Group]]:
    """How many runs failed that were due in the last day, and the newest of them by reason, the most frequent first."""
    recent = (
        flow_runs.c.state_type.in_(_FAILED),
        flow_runs.c.expected_start_time >= tx.now - LATELY,
        flow_runs.c.expected_start_time <= tx.now,
    )
    count = tx.conn.execute(select(func.count()).select_from(flow_runs).where(*recent)).scalar_one()
    groups: dict[tuple[str, str], Group] = {}
    for run in run_rows.found(tx, recent, MOST) if count else []:
        key = run.state_type, _VARIES.sub("#", run.state_message or "")
        groups.setdefault(key, Group(run)).count += 1
    return count, sorted(groups.values(), key=lambda each: -each.count)
