"""Lists of deployments: what a line shows of each, in a few statements for any number."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Row, func, select

from skylift.models.console.base import Named, RunRow
from skylift.models.console.deployments import DeploymentRow
from skylift.store import deployments, run_rows, shown
from skylift.store.engine import Tx
from skylift.store.tables import deployments as table
from skylift.store.tables import flow_runs, flows


def found(tx: Tx, limit: int, offset: int) -> list[DeploymentRow]:
    """A page of all, by the names of their flows and their own."""
    own = select(table).join(flows, flows.c.id == table.c.flow_id)
    rows = tx.all(own.order_by(flows.c.name, table.c.name, table.c.id).limit(limit).offset(offset))
    ids = [row.id for row in rows]
    beside, schedules = shown.of_deployments(tx, rows), deployments.schedules_of(tx, ids)
    upcoming = {row.id: row.at for row in _upcoming(tx, ids)}
    last = _last_runs(tx, ids)
    return [
        DeploymentRow(
            id=row.id,
            name=row.name,
            flow=Named(id=row.flow_id, name=beside[row.id].flow_name),
            work_pool_name=beside[row.id].work_pool_name,
            work_queue_name=beside[row.id].work_queue_name,
            paused=row.paused,
            tags=row.tags,
            schedules=len(schedules[row.id]),
            active_schedules=sum(each.active for each in schedules[row.id]),
            next_run=upcoming.get(row.id),
            last_run=last.get(row.id),
        )
        for row in rows
    ]


def _upcoming(tx: Tx, ids: list[UUID]) -> list[Row[Any]]:
    """When the next run of each of these is due."""
    return tx.all(
        select(flow_runs.c.deployment_id.label("id"), func.min(flow_runs.c.expected_start_time).label("at"))
        .where(
            flow_runs.c.deployment_id.in_(ids),
            flow_runs.c.state_type == "SCHEDULED",
            flow_runs.c.expected_start_time > tx.now,
        )
        .group_by(flow_runs.c.deployment_id)
    )


def _last_runs(tx: Tx, ids: list[UUID]) -> dict[UUID, RunRow]:
    """The last run of each of these whose time has come."""
    latest = (
        select(flow_runs.c.id)
        .where(flow_runs.c.deployment_id == table.c.id, flow_runs.c.expected_start_time <= tx.now)
        .order_by(flow_runs.c.expected_start_time.desc(), flow_runs.c.id.desc())
        .limit(1)
        .correlate(table)
        .scalar_subquery()
    )
    rows = tx.all(select(latest.label("run_id")).where(table.c.id.in_(ids)))
    wanted = [row.run_id for row in rows if row.run_id]
    runs = run_rows.found(tx, [flow_runs.c.id.in_(wanted)], len(wanted)) if wanted else []
    return {run.deployment.id: run for run in runs if run.deployment}
