"""Lists of flow runs: what a line shows of each, with the names of what it belongs to, in one statement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Column, ColumnElement, Row, Subquery, and_, func, or_, select, union_all

from skylift.models.console.base import Named, RunRow
from skylift.models.states import StateType
from skylift.store.engine import Tx
from skylift.store.filters import where
from skylift.store.tables import deployments, flow_run_states, flow_runs, flows, work_pools, work_queues

MESSAGE = 300
"""Characters of a state's message that a list shows."""
_OWN = tuple(
    flow_runs.c[name]
    for name in (
        "id",
        "name",
        "flow_id",
        "deployment_id",
        "work_pool_id",
        "work_queue_id",
        "state_id",
        "state_type",
        "state_name",
        "state_timestamp",
        "expected_start_time",
        "start_time",
        "end_time",
        "run_count",
        "tags",
    )
)


def newest(
    tx: Tx,
    filters: Mapping[str, Any],
    limit: int,
    before: tuple[datetime, UUID] | None = None,
    types: Sequence[StateType] = (),
) -> list[RunRow]:
    """Runs by the times they were to start at, the latest first, in states of these types; of the page after the run
    with this time and id. `filters` as of the wire, by resource. Raises `InvalidError`."""
    conditions = [where("flow_runs", filters)]
    if before:
        date, (at, run_id) = flow_runs.c.expected_start_time, before
        # The first half alone bounds the index; the second one settles which of the same instant are over.
        conditions += [date <= at, or_(date < at, and_(date == at, flow_runs.c.id < run_id))]
    return _shown(tx, of_states(_OWN, conditions, types, limit) if types else _page(_OWN, conditions, limit))


def of_deployment(tx: Tx, deployment_id: UUID, limit: int) -> list[RunRow]:
    """Runs of a deployment whose time has come, the latest first."""
    begun = (flow_runs.c.deployment_id == deployment_id, flow_runs.c.expected_start_time <= tx.now)
    return _shown(tx, of_states(_OWN, begun, list(StateType), limit))


def upcoming(tx: Tx, deployment_id: UUID, limit: int) -> list[RunRow]:
    """Runs of a deployment that are scheduled for later, the next first."""
    wanted = (
        flow_runs.c.deployment_id == deployment_id,
        flow_runs.c.state_type == StateType.SCHEDULED,
        flow_runs.c.expected_start_time > tx.now,
    )
    return _shown(tx, _page(_OWN, wanted, limit, newest_first=False), newest_first=False)


def these(tx: Tx, conditions: Sequence[ColumnElement[bool]], limit: int) -> list[RunRow]:
    """Runs that meet these conditions."""
    return _shown(tx, _page(_OWN, conditions, limit))


def of_states(
    columns: Sequence[Column[Any]], conditions: Sequence[ColumnElement[bool]], types: Sequence[str], limit: int
) -> Subquery:
    """The latest runs in states of these types. Indexes have the type before the time, so that each type is asked for
    by itself: together they would all be sorted."""
    each = [_page(columns, [*conditions, flow_runs.c.state_type == str(type_)], limit) for type_ in types]
    together = union_all(*(select(page) for page in each)).subquery()
    return select(together).order_by(*_order(together.c)).limit(limit).subquery()


def _page(
    columns: Sequence[Column[Any]],
    conditions: Sequence[ColumnElement[bool]],
    limit: int,
    *,
    newest_first: bool = True,
) -> Subquery:
    return select(*columns).where(*conditions).order_by(*_order(flow_runs.c, newest_first)).limit(limit).subquery()


def _shown(tx: Tx, page: Subquery, *, newest_first: bool = True) -> list[RunRow]:
    query = (
        select(
            page,
            flows.c.name.label("flow_name"),
            deployments.c.name.label("deployment_name"),
            work_pools.c.name.label("work_pool_name"),
            work_queues.c.name.label("work_queue_name"),
            func.substr(flow_run_states.c.message, 1, MESSAGE).label("message"),
        )
        .outerjoin(flows, flows.c.id == page.c.flow_id)
        .outerjoin(deployments, deployments.c.id == page.c.deployment_id)
        .outerjoin(work_pools, work_pools.c.id == page.c.work_pool_id)
        .outerjoin(work_queues, work_queues.c.id == page.c.work_queue_id)
        .outerjoin(flow_run_states, flow_run_states.c.id == page.c.state_id)
        .order_by(*_order(page.c, newest_first))
    )
    return [_row(row) for row in tx.all(query)]


def _row(row: Row[Any]) -> RunRow:
    return RunRow.model_validate(
        {name: getattr(row, name) for name in RunRow.model_fields if name in row._fields}
        | {
            "flow": Named(id=row.flow_id, name=row.flow_name or ""),
            "deployment": named(row.deployment_id, row.deployment_name),
            "state_message": first_line(row.message),
        }
    )


def first_line(message: str | None) -> str | None:
    """What a list shows of a message."""
    return message.strip().splitlines()[0][:MESSAGE] if message and message.strip() else None


def named(id_: UUID | None, name: str | None) -> Named | None:
    """What something belongs to, where it is still there."""
    return Named(id=id_, name=name) if id_ and name is not None else None


def _order(columns: Any, newest_first: bool = True) -> list[ColumnElement[Any]]:
    by = columns.expected_start_time, columns.id
    return [each.desc() if newest_first else each.asc() for each in by]
