"""Runs that failed lately, grouped by why."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, Row, func, select

from skylift.models.states import StateType
from skylift.store.engine import Tx
from skylift.store.run_rows import first_line, of_states
from skylift.store.tables import flow_run_states as states
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

    newest: Row[Any]
    """Its id and name, and its state's type, `state_name`, `timestamp` and `message`."""
    count: int = 0


def of_last_day(tx: Tx) -> tuple[int, list[Group]]:
    """How many runs failed that were due in the last day, and the newest of them by reason, the most frequent first."""
    recent = (flow_runs.c.expected_start_time >= tx.now - LATELY, flow_runs.c.expected_start_time <= tx.now)
    failed = (flow_runs.c.state_type.in_(_FAILED), *recent)
    count = tx.conn.execute(select(func.count()).select_from(flow_runs).where(*failed)).scalar_one()
    groups: dict[tuple[str, str], Group] = {}
    for run in _newest(tx, recent) if count else []:
        key = run.state_type, _VARIES.sub("#", first_line(run.message) or "")
        groups.setdefault(key, Group(run)).count += 1
    return count, sorted(groups.values(), key=lambda each: -each.count)


def _newest(tx: Tx, recent: Sequence[ColumnElement[bool]]) -> list[Row[Any]]:
    columns = tuple(flow_runs.c[name] for name in ("id", "name", "state_id", "state_type", "expected_start_time"))
    page = of_states(columns, recent, _FAILED, MOST)
    return tx.all(
        select(page, states.c.name.label("state_name"), states.c.timestamp, states.c.message)
        .join(states, states.c.id == page.c.state_id)
        .order_by(page.c.expected_start_time.desc(), page.c.id.desc())
    )
