"""How long runs take and how late they start, one by one and over stretches of time."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import Row, select

from skylift.errors import InvalidError
from skylift.models.runs import HistoryInterval, HistoryState
from skylift.models.states import TERMINAL, StateType
from skylift.store.engine import Tx
from skylift.store.filter_table import RESOURCES
from skylift.store.filters import where

Kind = Literal["flow_runs", "task_runs"]

MOST_INTERVALS = 500
LONGEST_INTERVAL = 366 * 86400
MOST_RUNS = 50_000
"""That one question reads; of more the newest count."""

COLUMN_NAMES = ("state_type", "state_name", "state_timestamp", "total_run_time", "start_time", "expected_start_time")
"""What these figures are made of; runs of tasks have them, too."""


def estimated_run_time(run: Row[Any], now: datetime) -> float:
    """Seconds in Running, the present ones included."""
    seconds: float = run.total_run_time
    if run.state_type == StateType.RUNNING:
        seconds += max(0.0, (now - run.state_timestamp).total_seconds())
    return seconds


def lateness(run: Row[Any], now: datetime) -> float:
    """Seconds between when it should have started and when it did, or now where it still has to."""
    if not run.start_time and run.state_type in TERMINAL:
        return 0.0
    seconds: float = ((run.start_time or now) - run.expected_start_time).total_seconds()
    return max(0.0, seconds)


def average_lateness(tx: Tx, filters: Mapping[str, Any]) -> float | None:
    """In seconds, of the runs that the wire's filter matches; None where there is none."""
    runs = _newest(tx, "flow_runs", filters)
    return sum(lateness(run, tx.now) for run in runs) / len(runs) if runs else None


def history(
    tx: Tx, kind: Kind, filters: Mapping[str, Any], start: datetime, end: datetime, seconds: float
) -> list[HistoryInterval]:
    """How many runs of each state were expected in each interval of so many seconds. Raises `InvalidError`."""
    if not 1 <= seconds <= LONGEST_INTERVAL:
        raise InvalidError("history_interval_seconds is from 1 second to a year", field="history_interval_seconds")
    interval = timedelta(seconds=seconds)
    number = min(-(-(end - start) // interval), MOST_INTERVALS) if end > start else 0
    try:
        bounds = [start + index * interval for index in range(number + 1)]
    except OverflowError:
        raise InvalidError("The history reaches beyond the calendar", field="history_end") from None
    runs = _newest(tx, kind, filters, (start, bounds[-1])) if number else []
    counts: Counter[tuple[int, str, str]] = Counter()
    run_times: dict[tuple[int, str, str], float] = defaultdict(float)
    delays: dict[tuple[int, str, str], float] = defaultdict(float)
    for run in runs:
        key = ((run.expected_start_time - start) // interval, run.state_type, run.state_name)
        counts[key] += 1
        run_times[key] += estimated_run_time(run, tx.now)
        delays[key] += lateness(run, tx.now)
    found: dict[int, list[HistoryState]] = defaultdict(list)
    for index, type_, name in sorted(counts):
        key = index, type_, name
        found[index].append(
            HistoryState(
                state_type=StateType(type_),
                state_name=name,
                count_runs=counts[key],
                sum_estimated_run_time=run_times[key],
                sum_estimated_lateness=delays[key],
            )
        )
    return [
        HistoryInterval(interval_start=bounds[index], interval_end=bounds[index + 1], states=found[index])
        for index in range(number)
    ]


def _newest(
    tx: Tx, kind: Kind, filters: Mapping[str, Any], expected_within: tuple[datetime, datetime] | None = None
) -> list[Row[Any]]:
    table = RESOURCES[kind].table
    expected = table.c.expected_start_time
    query = select(*(table.c[name] for name in COLUMN_NAMES)).where(where(kind, filters))
    if expected_within:
        query = query.where(expected >= expected_within[0], expected < expected_within[1])
    return tx.all(query.order_by(expected.desc()).limit(MOST_RUNS))
