"""Figures that web pages put beside each line of a list, for all lines at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, func, select

from skylift.models.states import StateType
from skylift.models.ui import NamedTaskRun, NextRun, RunPoint
from skylift.store import run_times, task_runs
from skylift.store.engine import Tx
from skylift.store.filters import select_filtered
from skylift.store.tables import deployments, flow_runs
from skylift.store.tables import task_runs as task_runs_table

MOST_POINTS = 1000


def task_run_counts(tx: Tx, flow_run_ids: Sequence[UUID]) -> dict[UUID, int]:
    """How many task runs each flow run has, without those that stand for subflows."""
    stands_for_a_flow = select(flow_runs.c.id).where(flow_runs.c.parent_task_run_id == task_runs_table.c.id).exists()
    rows = tx.all(
        select(task_runs_table.c.flow_run_id, func.count().label("number"))
        .where(task_runs_table.c.flow_run_id.in_(flow_run_ids), ~stands_for_a_flow)
        .group_by(task_runs_table.c.flow_run_id)
    )
    return dict.fromkeys(flow_run_ids, 0) | {row.flow_run_id: row.number for row in rows}


def deployment_counts(tx: Tx, flow_ids: Sequence[UUID]) -> dict[UUID, int]:
    """How many deployments each flow has."""
    rows = tx.all(
        select(deployments.c.flow_id, func.count().label("number"))
        .where(deployments.c.flow_id.in_(flow_ids))
        .group_by(deployments.c.flow_id)
    )
    return dict.fromkeys(flow_ids, 0) | {row.flow_id: row.number for row in rows}


def next_runs(tx: Tx, flow_ids: Sequence[UUID]) -> dict[UUID, NextRun | None]:
    """The scheduled run of each flow that comes first; None where there is none."""
    order = func.row_number().over(
        partition_by=flow_runs.c.flow_id, order_by=(flow_runs.c.next_scheduled_start_time, flow_runs.c.id)
    )
    waiting = (
        select(*(flow_runs.c[name] for name in NextRun.model_fields), order.label("place"))
        .where(
            flow_runs.c.flow_id.in_(flow_ids),
            flow_runs.c.state_type == StateType.SCHEDULED,
            flow_runs.c.next_scheduled_start_time.is_not(None),
        )
        .subquery()
    )
    found = {
        row.flow_id: NextRun.model_validate(dict(row._mapping))
        for row in tx.all(select(waiting).where(waiting.c.place == 1))
    }
    return {flow_id: found.get(flow_id) for flow_id in flow_ids}


def run_points(
    tx: Tx, filters: Mapping[str, Any], sort: str | None, limit: int | None, offset: int | None
) -> list[RunPoint]:
    """Flow runs as points of a chart, up to a thousand. Raises `InvalidError`."""
    query = select_filtered("flow_runs", filters, sort or "EXPECTED_START_TIME_DESC", limit, offset, most=MOST_POINTS)
    return [
        _point(row, tx)
        for row in tx.all(
            query.with_only_columns(flow_runs.c.id, *(flow_runs.c[name] for name in run_times.COLUMN_NAMES))
        )
    ]


def _point(row: Row[Any], tx: Tx) -> RunPoint:
    return RunPoint(
        id=row.id,
        state_type=row.state_type,
        timestamp=row.start_time or row.expected_start_time,
        duration=run_times.estimated_run_time(row, tx.now),
        lateness=run_times.lateness(row, tx.now),
    )


def named_task_run(tx: Tx, row: Row[Any]) -> NamedTaskRun:
    """A task run with its flow run's name."""
    run = tx.one(select(flow_runs.c.name).where(flow_runs.c.id == row.flow_run_id)) if row.flow_run_id else None
    shown = task_runs.view(tx, [row])[0]
    return NamedTaskRun.model_validate(shown.model_dump() | {"flow_run_name": run.name if run else None})
