"""Task runs, read from the events by which Prefect's engine reports them.

Each event holds the whole task run and the state that it entered. They come in any order, some more than once, from
several processes at a time: the newest state decides what the task run is, and every state is kept.

A batch takes a few statements, whatever its size: one that finds the flow runs, up to two that find what is known, one
that writes the task runs and one that writes their states.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from pydantic import ValidationError
from sqlalchemy import Row, select
from sqlalchemy.exc import IntegrityError

from skylift.models.events import FLOW_RUN, ID, ROLE, TASK_RUN, Event, run_id
from skylift.models.states import State
from skylift.models.task_runs import Report, ReportedTaskRun
from skylift.store.engine import TryAgainError, Tx
from skylift.store.inserts import insert_new, insert_or_replace
from skylift.store.tables import flow_runs, task_run_states
from skylift.store.tables import task_runs as table
from skylift.store.task_runs import order_of, state_row

logger = logging.getLogger(__name__)

Key = tuple[UUID | None, str, str]
"""Flow run, task key and dynamic key: what a task run is known by, whatever id it was given."""


@dataclass(slots=True)
class Reported:
    """What one event tells."""

    task_run_id: UUID
    flow_run_id: UUID | None
    run: ReportedTaskRun
    state: State

    @property
    def key(self) -> Key:
        return (self.flow_run_id, self.run.task_key, self.run.dynamic_key)

    @property
    def order(self) -> str:
        return order_of(self.state.timestamp, self.run.run_count, self.state.type, self.state.id)


def record(tx: Tx, events: Iterable[Event]) -> None:
    """Bring the task runs that these events report up to date. What reports none, or not rightly, is left out."""
    told = [each for each in map(_read, events) if each]
    told = _of_known_flow_runs(tx, told)
    if not told:
        return
    told.sort(key=lambda each: each.order)
    placed = _placed(tx, told)
    newest = dict(placed)  # of several the last, which is the newest
    states = [state_row(task_run_id, each.state) for task_run_id, each in placed]
    # In one order for everybody: nobody waits for somebody who waits for them.
    rows = [_row(tx, task_run_id, newest[task_run_id]) for task_run_id in sorted(newest)]
    try:
        insert_or_replace(tx, table, rows, newer_by="state_order")
    except IntegrityError as error:
        raise TryAgainError("Another request has just written the same task run") from error
    insert_new(tx, task_run_states, states)


def _read(event: Event) -> Reported | None:
    if not event.event.startswith(TASK_RUN) or event.resource.get("prefect.orchestration") != "client":
        return None
    task_run_id = run_id(event.resource_id, TASK_RUN)
    if not task_run_id:
        return None
    flow_run = next((labels for labels in event.related if labels[ROLE] == "flow-run"), None)
    try:
        report = Report.model_validate(event.payload)
    except (ValidationError, OverflowError) as error:
        logger.warning("The event %s tells of a task run, but not rightly: %s", event.id, type(error).__name__)
        return None
    entered = report.validated_state
    state = State(
        id=event.id,
        type=entered.type,
        name=entered.name,
        timestamp=event.occurred,
        message=entered.message,
        data=entered.data,
        state_details=entered.state_details,
    )
    return Reported(task_run_id, run_id(flow_run[ID], FLOW_RUN) if flow_run else None, report.task_run, state)


def _of_known_flow_runs(tx: Tx, told: list[Reported]) -> list[Reported]:
    """Those of flow runs that are (still) there: what is left of deleted ones would never go."""
    wanted = {each.flow_run_id for each in told if each.flow_run_id}
    there = {row.id for row in tx.all(select(flow_runs.c.id).where(flow_runs.c.id.in_(wanted)))} if wanted else set()
    return [each for each in told if each.flow_run_id is None or each.flow_run_id in there]


def _placed(tx: Tx, told: Sequence[Reported]) -> list[tuple[UUID, Reported]]:
    """Each with the id that its task run has here, which need not be the one that its sender gave it.

    A flow that is retried gives its tasks new ids; they are the same task runs by their keys. What gives the id of one
    task run and the key of another is left out: a task run changes neither its flow run nor its key.
    """
    query = select(table.c.id, table.c.flow_run_id, table.c.task_key, table.c.dynamic_key)
    known: list[Row[Any]] = tx.all(query.where(table.c.id.in_({each.task_run_id for each in told})))
    key_of: dict[UUID, Key] = {row.id: _key(row) for row in known}
    unknown = {each.key for each in told if each.flow_run_id and each.task_run_id not in key_of}
    if unknown:
        # Not by triples, for which SQLite uses no index; this finds hardly more.
        of_these_runs = table.c.flow_run_id.in_({key[0] for key in unknown})
        known += tx.all(query.where(of_these_runs, table.c.dynamic_key.in_({key[2] for key in unknown})))
    id_of: dict[Key, UUID] = {_key(row): row.id for row in known if row.flow_run_id}
    placed = []
    for each in told:
        if key_of.setdefault(each.task_run_id, each.key) == each.key:
            here = id_of.setdefault(each.key, each.task_run_id) if each.flow_run_id else each.task_run_id
            placed.append((here, each))
    return placed


def _key(row: Row[Any]) -> Key:
    return (row.flow_run_id, row.task_key, row.dynamic_key)


def _row(tx: Tx, task_run_id: UUID, told: Reported) -> dict[str, Any]:
    run, state = told.run, told.state
    return {
        "id": task_run_id,
        "created": tx.now,
        "updated": tx.now,
        "flow_run_id": told.flow_run_id,
        **run.model_dump(exclude={"total_run_time"}),
        "total_run_time": run.total_run_time.total_seconds(),
        "expected_start_time": run.expected_start_time or state.timestamp,
        "state_id": state.id,
        "state_type": str(state.type),
        "state_name": state.name,
        "state_timestamp": state.timestamp,
        "state_order": told.order,
    }
