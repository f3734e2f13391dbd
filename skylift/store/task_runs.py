"""Task runs and their states. Most are read from events (`task_run_reports`); this is what is done to them by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, delete, insert, select, update

from skylift import task_transitions, transitions
from skylift.errors import ConflictError, NotFoundError
from skylift.ids import new_id
from skylift.models.runs import OrchestrationResult, SetStateStatus
from skylift.models.states import TERMINAL, State, StateCreate, StateDetails, StateType, make_state
from skylift.models.task_runs import TaskRun, TaskRunCreate, TaskRunUpdate
from skylift.names import random_name
from skylift.store.engine import Tx
from skylift.store.inserts import insert_if_new
from skylift.store.tables import events, flow_run_states, flow_runs
from skylift.store.tables import task_run_states as states_table
from skylift.store.tables import task_runs as table

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


# -- reading ----------------------------------------------------------------------------------------------------------


def by_id(tx: Tx, task_run_id: UUID) -> Row[Any]:
    """The task run. Raises `NotFoundError`."""
    row = tx.one(select(table).where(table.c.id == task_run_id))
    if not row:
        raise NotFoundError(f"Task run {task_run_id} not found")
    return row


def view(tx: Tx, rows: Sequence[Row[Any]]) -> list[TaskRun]:
    """Task runs as the wire shows them."""
    found = tx.all(select(states_table).where(states_table.c.id.in_([row.state_id for row in rows]))) if rows else []
    run_of = {row.id: row.flow_run_id for row in rows}
    states = {each.id: _state(each, run_of.get(each.task_run_id)) for each in found}
    return [_shown(tx, row, states.get(row.state_id)) for row in rows]


def _shown(tx: Tx, row: Row[Any], state: State | None) -> TaskRun:
    running = (tx.now - row.state_timestamp).total_seconds() if row.state_type == StateType.RUNNING else 0.0
    late = 0.0
    if row.expected_start_time and (row.start_time or row.state_type not in TERMINAL):
        late = ((row.start_time or tx.now) - row.expected_start_time).total_seconds()
    values = {
        "state": state,
        "estimated_run_time": row.total_run_time + max(running, 0),
        "estimated_start_time_delta": max(late, 0),
    }
    return TaskRun.model_validate(dict(row._mapping) | values)


def history(tx: Tx, task_run_id: UUID) -> list[State]:
    """All its states, oldest first; none where there is no such task run."""
    run = tx.one(select(table.c.flow_run_id).where(table.c.id == task_run_id))
    rows = tx.all(
        select(states_table)
        .where(states_table.c.task_run_id == task_run_id)
        .order_by(states_table.c.timestamp, states_table.c.id)
    )
    return [_state(row, run.flow_run_id if run else None) for row in rows]


def state(tx: Tx, state_id: UUID) -> State:
    """A state by its id. Raises `NotFoundError`."""
    row = tx.one(
        select(states_table, table.c.flow_run_id)
        .outerjoin(table, table.c.id == states_table.c.task_run_id)
        .where(states_table.c.id == state_id)
    )
    if not row:
        raise NotFoundError(f"State {state_id} not found")
    return _state(row, row.flow_run_id)


def _state(row: Row[Any], flow_run_id: UUID | None) -> State:
    ids = {"flow_run_id": flow_run_id, "task_run_id": row.task_run_id}
    return State(
        id=row.id,
        type=row.type,
        name=row.name,
        timestamp=row.timestamp,
        message=row.message,
        data=row.data,
        state_details=StateDetails(**{**row.state_details, **ids}),
    )


# -- writing ----------------------------------------------------------------------------------------------------------


def order_of(at: datetime, run_count: int, type_: StateType, state_id: UUID) -> str:
    """What tells the newer of two states of a task run: its time, and where that is the same, what can only come
    later. A task that waits for a retry has run; one that waits for its start has not."""
    microseconds = max((at - EPOCH) // timedelta(microseconds=1), 0)
    rank = 4 if type_ in TERMINAL else 3 if type_ is StateType.SCHEDULED and run_count else _RANKS.get(type_, 0)
    return f"{microseconds:018d}{run_count:010d}{rank}{state_id.hex}"


_RANKS = {StateType.PENDING: 1, StateType.RUNNING: 2, StateType.PAUSED: 3, StateType.CANCELLING: 3}


def state_row(task_run_id: UUID, state: State) -> dict[str, Any]:
    """The row of a state."""
    details = state.state_details.model_dump(mode="json", exclude_none=True, exclude={"flow_run_id", "task_run_id"})
    return {
        "id": state.id,
        "task_run_id": task_run_id,
        "timestamp": state.timestamp,
        "type": str(state.type),
        "name": state.name,
        "message": state.message,
        "data": state.data,
        "state_details": details,
    }


def create(tx: Tx, wanted: TaskRunCreate) -> tuple[Row[Any], bool]:
    """A task run, and whether it is new: there is one for each key and dynamic key in a flow run.

    Raises `NotFoundError` where there is no such flow run, `ConflictError` where the id is another task run's.
    """
    labels = wanted.labels
    if wanted.flow_run_id:
        flow_run = tx.one(select(flow_runs.c.labels).where(flow_runs.c.id == wanted.flow_run_id))
        if not flow_run:
            raise NotFoundError(f"Flow run {wanted.flow_run_id} not found")
        labels = {**flow_run.labels, "prefect.flow-run.id": str(wanted.flow_run_id), **labels}
    elif known := _known(tx, wanted):
        return known, False
    first = _made(tx, wanted.state or StateCreate(type=StateType.PENDING))
    values = wanted.model_dump(exclude={"id", "state", "labels"}) | {
        "id": wanted.id or new_id(),
        "name": wanted.name or random_name(),
        "labels": labels,
        "created": tx.now,
        "updated": tx.now,
    }
    values |= {"flow_run_run_count": 0, "next_scheduled_start_time": None}
    values |= _entered(_NEW, first) | {"expected_start_time": first.scheduled_time or tx.now}
    made = insert_if_new(tx, table, values)
    if made:
        tx.run(insert(states_table).values(**state_row(values["id"], first)))
        return by_id(tx, values["id"]), True
    found = _known(tx, wanted)
    if not found:
        raise ConflictError(f"There is another task run with the id {wanted.id}")
    return found, False


_NEW: dict[str, Any] = {
    "state_type": None,
    "state_timestamp": None,
    "run_count": 0,
    "start_time": None,
    "end_time": None,
    "total_run_time": 0.0,
}


def _known(tx: Tx, wanted: TaskRunCreate) -> Row[Any] | None:
    # A comparison with NULL finds nothing, and `IS` finds no index everywhere: so the two cases are told apart.
    run = table.c.flow_run_id == wanted.flow_run_id if wanted.flow_run_id else table.c.flow_run_id.is_(None)
    keys = (table.c.task_key == wanted.task_key, table.c.dynamic_key == wanted.dynamic_key)
    return tx.one(select(table).where(run, *keys))


def _made(tx: Tx, wanted: StateCreate) -> State:
    state = make_state(wanted.type, tx.now, name=wanted.name, message=wanted.message, data=wanted.data)
    return state.model_copy(update={"state_details": wanted.state_details})


def change(tx: Tx, task_run_id: UUID, changes: TaskRunUpdate) -> None:
    """Raises `NotFoundError`."""
    values = changes.model_dump(exclude_none=True)
    if not tx.run(update(table).where(table.c.id == task_run_id).values(**values, updated=tx.now)):
        raise NotFoundError(f"Task run {task_run_id} not found")


def remove(tx: Tx, task_run_id: UUID) -> None:
    """Raises `NotFoundError`."""
    if not tx.run(delete(table).where(table.c.id == task_run_id)):
        raise NotFoundError(f"Task run {task_run_id} not found")
    _let_go(tx, flow_runs.c.parent_task_run_id == task_run_id)
    tx.run(delete(states_table).where(states_table.c.task_run_id == task_run_id))


def delete_of_runs(tx: Tx, flow_run_ids: Sequence[UUID]) -> None:
    """Remove all that these flow runs reported: task runs, their states, and events."""
    theirs = select(table.c.id).where(table.c.flow_run_id.in_(flow_run_ids))
    _let_go(tx, flow_runs.c.parent_task_run_id.in_(theirs))
    tx.run(delete(states_table).where(states_table.c.task_run_id.in_(theirs)))
    tx.run(delete(table).where(table.c.flow_run_id.in_(flow_run_ids)))
    tx.run(delete(events).where(events.c.flow_run_id.in_(flow_run_ids)))


def _let_go(tx: Tx, below: ColumnElement[bool]) -> None:
    """Subflows outlive the task runs that stood for them."""
    ids = sorted(row.id for row in tx.all(select(flow_runs.c.id).where(below)))
    for start in range(0, len(ids), 200):
        tx.run(update(flow_runs).where(flow_runs.c.id.in_(ids[start : start + 200])).values(parent_task_run_id=None))


def enter(tx: Tx, row: Row[Any], new: State, **columns: Any) -> None:
    """Write a state of a locked task run, and what follows from it."""
    values = _entered(dict(row._mapping) | columns, new)
    tx.run(update(table).where(table.c.id == row.id).values(**columns | values, updated=tx.now))
    tx.run(insert(states_table).values(**state_row(row.id, new)))


def _entered(row: Mapping[str, Any], new: State) -> dict[str, Any]:
    """The columns that follow from entering a state, as the dialect's clients read them back."""
    running = new.type is StateType.RUNNING
    count = row["run_count"] + running
    values: dict[str, Any] = {
        "state_id": new.id,
        "state_type": str(new.type),
        "state_name": new.name,
        "state_timestamp": new.timestamp,
        "state_order": order_of(new.timestamp, count, new.type, new.id),
        "run_count": count,
        "start_time": row["start_time"] or (new.timestamp if running or new.is_terminal else None),
        "end_time": (row["end_time"] or new.timestamp) if new.is_terminal else None,
        "next_scheduled_start_time": new.scheduled_time if new.type is StateType.SCHEDULED else None,
        "total_run_time": row["total_run_time"],
    }
    if row["state_type"] == StateType.RUNNING:
        values["total_run_time"] += max((new.timestamp - row["state_timestamp"]).total_seconds(), 0)
    return values


def propose(tx: Tx, task_run_id: UUID, wanted: StateCreate, *, force: bool = False) -> OrchestrationResult:
    """Answer a proposed state and do what follows from the answer. Raises `NotFoundError`."""
    row = _lock(tx, task_run_id)
    if not row:
        raise NotFoundError(f"Task run {task_run_id} not found")
    current = state(tx, row.state_id)
    flow_run = _flow_run_of(tx, row)
    facts = task_transitions.Facts(
        current, row.run_count, row.flow_run_run_count, row.empirical_policy, flow_run, tx.now
    )
    match task_transitions.decide(facts, _made(tx, wanted), force=force):
        case transitions.Accept(new):
            _carry_out(tx, row, new, flow_run, force=force)
            return _result(tx, new, SetStateStatus.ACCEPT, {"type": "accept_details"}, was_written=True)
        case transitions.Reject(reason, new):
            if new:
                # A proposal that is repeated because its answer was lost must get this answer once more.
                new.state_details.transition_id = wanted.state_details.transition_id
                _carry_out(tx, row, new, flow_run, force=force)
            because = {"type": "reject_details", "reason": reason}
            return _result(tx, new or current, SetStateStatus.REJECT, because, was_written=new is not None)
        case transitions.Wait(reason, seconds):
            details = {"type": "wait_details", "delay_seconds": seconds, "reason": reason}
            return _result(tx, current, SetStateStatus.WAIT, details)
        case transitions.Abort(reason):
            return _result(tx, current, SetStateStatus.ABORT, {"type": "abort_details", "reason": reason})


def _lock(tx: Tx, task_run_id: UUID) -> Row[Any] | None:
    statement = update(table).where(table.c.id == task_run_id).values(updated=tx.now).returning(*table.c)
    return tx.conn.execute(statement).first()


def _flow_run_of(tx: Tx, row: Row[Any]) -> tuple[State, int] | None:
    """The state and the run count of the flow run that it belongs to."""
    found = tx.one(
        select(flow_run_states, flow_runs.c.run_count)
        .join(flow_runs, flow_runs.c.state_id == flow_run_states.c.id)
        .where(flow_runs.c.id == row.flow_run_id)
    )
    if not found:
        return None
    details = StateDetails(**found.state_details)
    flow_state = State(id=found.id, type=found.type, name=found.name, timestamp=found.timestamp, state_details=details)
    return flow_state, found.run_count


def _carry_out(tx: Tx, row: Row[Any], new: State, flow_run: tuple[State, int] | None, *, force: bool) -> None:
    columns: dict[str, Any] = {}
    if not force and row.state_type in TERMINAL and not new.is_terminal:
        columns["run_count"] = 0  # it may retry as often as before
    if flow_run and new.type is StateType.RUNNING:
        columns["flow_run_run_count"] = flow_run[1]
    enter(tx, row, new, **columns)


def _result(
    tx: Tx, new: State, status: SetStateStatus, details: dict[str, Any], *, was_written: bool = False
) -> OrchestrationResult:
    return OrchestrationResult(state=state(tx, new.id), status=status, details=details, was_written=was_written)


def follow(tx: Tx, parent_task_run_id: UUID | None, flow_run_id: UUID, new: State) -> None:
    """The task run that stands for a subflow in its parent, where there is one, enters what the subflow enters."""
    row = _lock(tx, parent_task_run_id) if parent_task_run_id else None
    if not row:
        return
    details = new.state_details.model_dump(exclude={"flow_run_id", "task_run_id", "child_flow_run_id"})
    same = make_state(new.type, tx.now, name=new.name, message=new.message, data=new.data)
    same.state_details = StateDetails(**details, child_flow_run_id=flow_run_id)
    enter(tx, row, same)
