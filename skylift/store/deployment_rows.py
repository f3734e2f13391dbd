"""Lists of deployments: what a line shows of each, in a few statements for any number."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, ScalarSelect, and_, func, or_, select

from skylift.models.console.base import Named, RunRow
from skylift.models.console.deployments import DeploymentRow
from skylift.models.states import StateType
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
            flow_runs.c.state_type == str(StateType.SCHEDULED),
            flow_runs.c.expected_start_time > tx.now,
        )
        .group_by(flow_runs.c.deployment_id)
    )


def _last_runs(tx: Tx, ids: list[UUID]) -> dict[UUID, RunRow]:
    """The last run of each of these whose time has come."""
    latest = [_latest(tx, type_).label(type_) for type_ in StateType]
    last = [_last_of(row) for row in tx.all(select(table.c.id, *latest).where(table.c.id.in_(ids)))]
    wanted = [each for each in last if each is not None]
    runs = run_rows.these(tx, [or_(*wanted)], 2 * len(wanted)) if wanted else []
    return {run.deployment.id: run for run in runs if run.deployment}


def _latest(tx: Tx, type_: StateType) -> ScalarSelect[Any]:
    """When the last of a deployment's runs was due that is in such a state: found at one place of an index."""
    of_type = (flow_runs.c.deployment_id == table.c.id, flow_runs.c.state_type == str(type_))
    last = func.max(flow_runs.c.expected_start_time)
    return select(last).where(*of_type, flow_runs.c.expected_start_time <= tx.now).correlate(table).scalar_subquery()


def _last_of(row: Row[Any]) -> ColumnElement[bool] | None:
    """Which run that is, of this row's deployment."""
    at, type_ = max(((getattr(row, each), each) for each in StateType if getattr(row, each)), default=(None, None))
    if at is None:
        return None
    return and_(
        flow_runs.c.deployment_id == row.id,
        flow_runs.c.state_type == str(type_),
        flow_runs.c.expected_start_time == at,
    )
