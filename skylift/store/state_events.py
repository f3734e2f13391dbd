"""The states of flow runs, read as events: `prefect.flow-run.<name of the state>`. Nothing more is written for them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, false, or_, select

from skylift.models.event_filters import AnyResourceFilter, EventFilter, RelatedFilter
from skylift.models.events import FLOW_RUN, ID, NAME, ROLE, ReceivedEvent, run_id
from skylift.store.engine import Tx
from skylift.store.prefixes import begins
from skylift.store.tables import deployments, flow_runs, flows, work_pools, work_queues
from skylift.store.tables import flow_run_states as table

ORDER = (table.c.timestamp, table.c.id)
MAX_MESSAGE = 100_000
"""Characters of a state's message that its event shows."""

_RELATED = {
    "prefect.flow.": flow_runs.c.flow_id,
    "prefect.deployment.": flow_runs.c.deployment_id,
    "prefect.work-queue.": flow_runs.c.work_queue_id,
    "prefect.work-pool.": flow_runs.c.work_pool_id,
    "prefect.task-run.": flow_runs.c.parent_task_run_id,
}
"""What the ids of related resources begin with, and where the rest of them is found."""


def all_states() -> Select[Any]:
    """Every state, with what its event tells of its run."""
    return (
        select(
            table,
            flow_runs.c.name.label("run_name"),
            flow_runs.c.tags,
            flow_runs.c.flow_id,
            flows.c.name.label("flow_name"),
            flow_runs.c.deployment_id,
            deployments.c.name.label("deployment_name"),
            flow_runs.c.work_queue_id,
            work_queues.c.name.label("queue_name"),
            flow_runs.c.work_pool_id,
            work_pools.c.name.label("pool_name"),
            work_pools.c.type.label("pool_type"),
            flow_runs.c.parent_task_run_id,
        )
        .join(flow_runs, flow_runs.c.id == table.c.flow_run_id)
        .outerjoin(flows, flows.c.id == flow_runs.c.flow_id)
        .outerjoin(deployments, deployments.c.id == flow_runs.c.deployment_id)
        .outerjoin(work_queues, work_queues.c.id == flow_runs.c.work_queue_id)
        .outerjoin(work_pools, work_pools.c.id == flow_runs.c.work_pool_id)
    )


def query(wanted: EventFilter) -> Select[Any] | None:
    """The states that the filter may ask for; None where it asks for none."""
    conditions = list(_conditions(wanted))
    known = [each for each in conditions if each is not None]
    return all_states().where(*known) if len(known) == len(conditions) else None


def names_and_times(wanted: EventFilter) -> Select[Any] | None:
    """As `query`, of a bare filter: only the name and the time of each state, the newest first."""
    conditions = list(_conditions(wanted))
    known = [each for each in conditions if each is not None]
    if len(known) < len(conditions):
        return None
    return select(table.c.name, table.c.timestamp).where(*known).order_by(table.c.timestamp.desc())


def entered_since(tx: Tx, instant: datetime, names: Sequence[str] | None) -> list[UUID]:
    """The states that were entered since, or only those whose events have one of these names."""
    condition = table.c.timestamp >= instant
    if names is None:
        return [row.id for row in tx.all(select(table.c.id).where(condition))]
    ours = _state_names(names)
    if not ours:
        return []
    return [row.id for row in tx.all(select(table.c.id).where(condition, table.c.name.in_(ours)))]


def event(row: Row[Any]) -> ReceivedEvent:
    """The event that this state is."""
    message = (row.message or "")[:MAX_MESSAGE]
    entered = {"type": row.type, "name": row.name}
    if message:
        entered["message"] = message
    resource = {
        ID: f"{FLOW_RUN}{row.flow_run_id}",
        NAME: row.run_name,
        "prefect.state-message": message,
        "prefect.state-name": row.name,
        "prefect.state-timestamp": row.timestamp.isoformat(),
        "prefect.state-type": row.type,
    }
    return ReceivedEvent.model_construct(
        id=row.id,
        occurred=row.timestamp,
        received=row.timestamp,
        event=FLOW_RUN + row.name,
        resource=resource,
        related=list(_related(row)),
        payload={"intended": {"from": None, "to": row.type}, "initial_state": None, "validated_state": entered},
        follows=None,
    )


def _related(row: Row[Any]) -> Iterator[dict[str, str]]:
    for kind, key, name in (
        ("flow", row.flow_id, row.flow_name),
        ("deployment", row.deployment_id, row.deployment_name),
        ("work-queue", row.work_queue_id, row.queue_name),
    ):
        if name is not None:
            yield {ID: f"prefect.{kind}.{key}", ROLE: kind, NAME: name}
    if row.pool_name is not None:
        labels = {ID: f"prefect.work-pool.{row.work_pool_id}", ROLE: "work-pool", NAME: row.pool_name}
        yield labels | {"prefect.work-pool.type": row.pool_type}
    if row.parent_task_run_id:
        yield {ID: f"prefect.task-run.{row.parent_task_run_id}", ROLE: "task-run"}
    for tag in sorted(set(row.tags)):
        yield {ID: f"prefect.tag.{tag}", ROLE: "tag"}


def quoted(text: str) -> str:
    """A text as it stands in the store's JSON."""
    return json.dumps(text)


# -- what the database is asked; None: it need not be asked, for there is no such state -------------------------------


def _conditions(wanted: EventFilter) -> Iterator[ColumnElement[bool] | None]:
    if wanted.occurred and wanted.occurred.since:
        yield table.c.timestamp >= wanted.occurred.since
    if wanted.occurred and wanted.occurred.until:
        yield table.c.timestamp <= wanted.occurred.until
    if wanted.id and wanted.id.id:
        yield table.c.id.in_(wanted.id.id)
    if wanted.event and wanted.event.name:
        names = _state_names(wanted.event.name)
        yield table.c.name.in_(names) if names else None
    if wanted.event and wanted.event.prefix:
        yield _begins(wanted.event.prefix)
    if wanted.resource and wanted.resource.id:
        runs = [run for run in map(run_id, wanted.resource.id) if run]
        yield table.c.flow_run_id.in_(runs) if runs else None
    if wanted.resource and wanted.resource.id_prefix:
        ours = any(each.startswith(FLOW_RUN) or FLOW_RUN.startswith(each) for each in wanted.resource.id_prefix)
        yield table.c.id.is_not(None) if ours else None
    for part in wanted.all_involved:
        yield from _involved(part)


def _state_names(names: Sequence[str]) -> list[str]:
    return [name.removeprefix(FLOW_RUN) for name in names if name.startswith(FLOW_RUN)]


def _begins(prefixes: Sequence[str]) -> ColumnElement[bool] | None:
    if any(FLOW_RUN.startswith(each) for each in prefixes):
        return table.c.id.is_not(None)
    ours = _state_names(prefixes)
    return or_(*(begins(table.c.name, each) for each in ours)) if ours else None


def _involved(asked: AnyResourceFilter | RelatedFilter) -> Iterator[ColumnElement[bool]]:
    if not asked.id or any(each.startswith("prefect.tag.") for each in asked.id):
        return  # tags are looked at in what is found
    yield or_(false(), *(each for name in asked.id for each in _is(name, isinstance(asked, AnyResourceFilter))))


def _is(resource_id: str, itself: bool) -> Iterator[ColumnElement[bool]]:
    run = run_id(resource_id)
    if run and itself:
        yield table.c.flow_run_id == run
    for prefix, column in _RELATED.items():
        other = run_id(resource_id, prefix)
        if other:
            yield column == other
