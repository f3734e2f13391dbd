"""Flow runs and their states. Every state of a run is written by `enter`, which keeps what hangs on it in step."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, delete, select, update

from skylift import transitions
from skylift.errors import NotFoundError
from skylift.ids import new_id
from skylift.models.pools import PoolSettings
from skylift.models.runs import FlowRunUpdate
from skylift.models.states import TERMINAL, State, StateDetails, StateType, make_state
from skylift.names import random_name
from skylift.store import attempts, due, prepared, sight, task_runs, timeline
from skylift.store.engine import Tx
from skylift.store.tables import attempts as attempts_table
from skylift.store.tables import due as due_table
from skylift.store.tables import (
    flow_run_inputs,
    flow_run_states,
    flow_run_timeline,
    flow_runs,
    log_batches,
    work_queues,
)
from skylift.store.tables import task_runs as task_runs_table

NEW_RUN: dict[str, Any] = {
    "deployment_id": None,
    "deployment_version": None,
    "parameters": {},
    "job_variables": {},
    "context": {},
    "tags": [],
    "labels": {},
    "empirical_policy": {},
    "flow_version": None,
    "idempotency_key": None,
    "parent_task_run_id": None,
    "auto_scheduled": False,
    "created_by": None,
    "work_pool_id": None,
    "work_queue_id": None,
    "infrastructure_pid": None,
    "run_count": 0,
    "next_scheduled_start_time": None,
    "start_time": None,
    "end_time": None,
    "total_run_time": 0.0,
    "infrastructure_retries": 0,
    "launch_delays": 0,
}


PARENT_CANCELLED = "The parent flow run was cancelled"
MOST_SUBFLOWS = 200
"""That one transaction cancels along with their parent."""


# -- reading ----------------------------------------------------------------------------------------------------------


def by_id(tx: Tx, run_id: UUID) -> Row[Any]:
    """The run. Raises `NotFoundError`."""
    row = prepared.first(tx, flow_runs.c.id, run_id)
    if not row:
        raise NotFoundError(f"Flow run {run_id} not found")
    return row


def find(tx: Tx, run_id: UUID) -> Row[Any] | None:
    """The run, if there is (still) one."""
    return prepared.first(tx, flow_runs.c.id, run_id)


def by_idempotency_key(tx: Tx, flow_id: UUID, key: str) -> Row[Any] | None:
    """The flow's run that was made with this key."""
    return tx.one(select(flow_runs).where(flow_runs.c.flow_id == flow_id, flow_runs.c.idempotency_key == key))


def ids_by_idempotency_key(tx: Tx, keys: Collection[tuple[UUID, str]]) -> dict[tuple[UUID, str], UUID]:
    """The runs that were made with these keys of these flows."""
    if not keys:
        return {}
    flows, texts = ({key[place] for key in keys} for place in (0, 1))
    query = select(flow_runs.c.flow_id, flow_runs.c.idempotency_key, flow_runs.c.id)
    rows = tx.all(query.where(flow_runs.c.flow_id.in_(flows), flow_runs.c.idempotency_key.in_(texts)))
    return {(row.flow_id, row.idempotency_key): row.id for row in rows}


def state(tx: Tx, state_id: UUID) -> State:
    """A state by its id."""
    row = prepared.first(tx, flow_run_states.c.id, state_id)
    if not row:
        raise NotFoundError(f"State {state_id} not found")
    return state_of(row)


def states(tx: Tx, state_ids: Iterable[UUID]) -> dict[UUID, State]:
    """States by their ids, at once."""
    return {row.id: state_of(row) for row in prepared.every(tx, flow_run_states.c.id, state_ids)}


def history(tx: Tx, run_id: UUID) -> list[State]:
    """All states of a run, oldest first."""
    rows = tx.all(
        select(flow_run_states)
        .where(flow_run_states.c.flow_run_id == run_id)
        .order_by(flow_run_states.c.timestamp, flow_run_states.c.id)
    )
    return [state_of(row) for row in rows]


def state_of(row: Row[Any]) -> State:
    """The state that a row of states holds."""
    return State(
        id=row.id,
        type=row.type,
        name=row.name,
        timestamp=row.timestamp,
        message=row.message,
        data=row.data,
        state_details=StateDetails(**{**row.state_details, "flow_run_id": row.flow_run_id}),
    )


def waiting(
    tx: Tx,
    pool_id: UUID,
    *,
    queues: Sequence[UUID] | None = None,
    before: datetime | None = None,
    after: datetime | None = None,
    limit: int = 200,
) -> list[Row[Any]]:
    """Runs that wait in a pool, as a claim would take them: by queue priority, then by due time."""
    query = (
        select(flow_runs)
        .join(due_table, due_table.c.flow_run_id == flow_runs.c.id)
        .join(work_queues, work_queues.c.id == due_table.c.work_queue_id)
        .where(due_table.c.work_pool_id == pool_id, work_queues.c.is_paused.is_(False))
        .order_by(work_queues.c.priority, due_table.c.due_at, flow_runs.c.id)
        .limit(limit)
    )
    if queues:
        query = query.where(due_table.c.work_queue_id.in_(queues))
    if before:
        query = query.where(due_table.c.due_at <= before)
    if after:
        query = query.where(due_table.c.due_at >= after)
    return tx.all(query)


# -- writing ----------------------------------------------------------------------------------------------------------


def create_many(tx: Tx, wanted: Sequence[tuple[dict[str, Any], State]]) -> list[dict[str, Any]]:
    """Insert runs, each in its first state; missing columns take their defaults. `flow_id` is needed."""
    rows = []
    for values, first in wanted:
        row = NEW_RUN | {"id": new_id(), "name": random_name()} | values
        row["labels"] = _origin(row) | row["labels"]
        row |= _times(row, first) | {"created": tx.now, "updated": tx.now} | _denormalised(first)
        row["expected_start_time"] = first.scheduled_time or tx.now
        if row["parent_task_run_id"]:
            first.state_details.task_run_id = row["parent_task_run_id"]
        rows.append(row)
    prepared.add(tx, flow_runs, *rows)
    pairs = list(zip(rows, (first for _, first in wanted), strict=True))
    prepared.add(tx, flow_run_states, *(state_row(row["id"], first) for row, first in pairs))
    for row, first in pairs:
        task_runs.follow(tx, row["parent_task_run_id"], row["id"], first)
    timeline.add(tx, [timeline.entry(tx, row["id"], "created", _describe(first)) for row, first in pairs])
    waiting = [row for row, first in pairs if first.type is StateType.SCHEDULED and row["work_pool_id"]]
    due.add(tx, [due.entry(row) for row in waiting])
    return rows


def _origin(row: dict[str, Any]) -> dict[str, str]:
    """The labels that tell what a run was made of; a user's own of these names come before them."""
    labels = {"prefect.flow.id": str(row["flow_id"])}
    return labels | {"prefect.deployment.id": str(row["deployment_id"])} if row["deployment_id"] else labels


def _describe(state: State) -> str:
    text = state.name + (f" for {state.scheduled_time.isoformat()}" if state.scheduled_time else "")
    return text + (f": {state.message}" if state.message else "")


def _denormalised(state: State) -> dict[str, Any]:
    return {
        "state_id": state.id,
        "state_type": str(state.type),
        "state_name": state.name,
        "state_timestamp": state.timestamp,
    }


def state_row(run_id: UUID, state: State) -> dict[str, Any]:
    """The row of a state."""
    return {
        "id": state.id,
        "flow_run_id": run_id,
        "timestamp": state.timestamp,
        "type": str(state.type),
        "name": state.name,
        "message": state.message,
        "data": state.data,
        "state_details": state.state_details.model_dump(mode="json", exclude_none=True),
    }


def lock(tx: Tx, run_id: UUID) -> Row[Any]:
    """The run; others who want to change it wait until this transaction is over. Raises `NotFoundError`."""
    row = prepared.lock(tx, flow_runs, run_id)
    if not row:
        raise NotFoundError(f"Flow run {run_id} not found")
    return row


def enter(
    tx: Tx,
    run: Row[Any],
    new: State,
    *,
    note: bool = True,
    policy: dict[str, Any] | None = None,
    in_process: bool = False,
    **columns: Any,
) -> None:
    """Write a state of a locked run, and what follows from it: its times, and whether it waits to be claimed.

    `policy` is the run's new `empirical_policy`; `in_process` says that the process which has the run goes on with it.
    """
    known = {**run._mapping, **columns}
    if policy is not None:
        known["empirical_policy"] = policy
    if run.parent_task_run_id:
        new.state_details.task_run_id = run.parent_task_run_id
    changed = columns | _denormalised(new) | _times(known, new)
    if policy is not None:
        changed.setdefault("empirical_policy", policy)
    prepared.change(tx, flow_runs, run.id, changed)
    prepared.add(tx, flow_run_states, state_row(run.id, new))
    task_runs.follow(tx, run.parent_task_run_id, run.id, new)
    if note:
        timeline.note(tx, run.id, str(new.type).lower(), _describe(new))
    if run.state_type == new.type == StateType.SCHEDULED and changed["next_scheduled_start_time"] == (
        run.next_scheduled_start_time
    ):
        tx.run(update(due_table).where(due_table.c.flow_run_id == run.id).values(watch_late=new.name == "Scheduled"))
        return
    if run.state_type == StateType.SCHEDULED:
        due.remove(tx, [run.id])
    if new.type is StateType.SCHEDULED and run.work_pool_id and not in_process and not attempts.of_run(tx, run.id):
        due.add(tx, [due.entry({**known, **changed})])
    if new.type is StateType.CANCELLED and run.run_count:
        _cancel_below(tx, run.id)


def _cancel_below(tx: Tx, run_id: UUID) -> None:
    """A cancelled run takes its subflows along. Whatever runs elsewhere is asked to stop; the others are over."""
    parent = task_runs_table.c.id == flow_runs.c.parent_task_run_id
    unfinished = (
        task_runs_table.c.flow_run_id == run_id,
        flow_runs.c.state_type.not_in([str(each) for each in TERMINAL]),
    )
    query = select(flow_runs.c.id).join(task_runs_table, parent).where(*unfinished)
    for row in tx.all(query.order_by(flow_runs.c.id).limit(MOST_SUBFLOWS)):
        child = lock(tx, row.id)
        attempt = attempts.of_run(tx, child.id)
        taken = child.deployment_id and child.state_type in (StateType.PENDING, StateType.RUNNING)
        if child.state_type == StateType.CANCELLING and child.deployment_id:
            continue
        type_ = StateType.CANCELLING if attempt or taken else StateType.CANCELLED
        enter(tx, child, make_state(type_, tx.now, message=PARENT_CANCELLED))
        if attempt:
            attempts.stop_where(tx, attempts_table.c.id == attempt.id, attempts.CANCELLED, PARENT_CANCELLED)


def _times(run: dict[str, Any], new: State) -> dict[str, Any]:
    """The columns that follow from entering a state, as the dialect's clients read them back."""
    at, policy = new.timestamp, run["empirical_policy"]
    values: dict[str, Any] = {"next_scheduled_start_time": None, "end_time": None}
    if run.get("state_type") == StateType.RUNNING:
        values["total_run_time"] = run["total_run_time"] + (at - run["state_timestamp"]).total_seconds()
    if new.type is StateType.SCHEDULED:
        values |= {"next_scheduled_start_time": new.scheduled_time or at}
    elif new.type is StateType.RUNNING:
        again = 0 if policy.get("resuming") else 1  # a run that goes on after it was suspended does not begin anew
        values |= {"run_count": run["run_count"] + again, "start_time": run["start_time"] or at}
    elif new.is_terminal:
        values |= {"end_time": run["end_time"] or at, "start_time": run["start_time"] or at}
    if policy.get("resuming") and (new.is_terminal or new.type is StateType.RUNNING):
        values["empirical_policy"] = policy | {"resuming": False}
    return values


def change(tx: Tx, run_id: UUID, changes: FlowRunUpdate) -> None:
    """Change the given fields; an explicit null clears where that makes sense. Raises `NotFoundError`."""
    lock(tx, run_id)
    values = changes.model_dump(mode="json", exclude_unset=True)
    values = {name: value for name, value in values.items() if value is not None or flow_runs.c[name].nullable}
    tx.run(update(flow_runs).where(flow_runs.c.id == run_id).values(**values, updated=tx.now))


def add_labels(tx: Tx, run_id: UUID, labels: dict[str, Any]) -> None:
    """Those of the same names are replaced. Raises `NotFoundError`."""
    labels = {**lock(tx, run_id).labels, **labels}
    tx.run(update(flow_runs).where(flow_runs.c.id == run_id).values(labels=labels))


# -- the end of an attempt; what is given is locked by `lock_attempt` -------------------------------------------------


def lock_attempt(tx: Tx, attempt_id: UUID) -> Row[Any] | None:
    """The attempt, if it is live, locked after its run: everybody takes the two in this order."""
    attempt = attempts.by_id(tx, attempt_id)
    if not attempt:
        return None
    tx.run(update(flow_runs).where(flow_runs.c.id == attempt.flow_run_id).values(updated=tx.now))
    return attempts.lock(tx, attempt_id)


def finish(tx: Tx, attempt: Row[Any], verdict: State | None, **columns: Any) -> None:
    """The attempt is over: free its slot, and let its run enter `verdict`, or go on where it wants to.

    A run that has ended or is suspended stays as it is; one that is scheduled (a retry that waited for the slot)
    becomes due.
    """
    run = find(tx, attempt.flow_run_id)
    if not attempts.remove(tx, attempt) or not run:
        return
    if run.state_type == StateType.CANCELLING:
        message = (verdict and verdict.message) or attempt.stop_message
        enter(tx, run, make_state(StateType.CANCELLED, tx.now, message=message))
    elif run.state_type == StateType.SCHEDULED and run.work_pool_id:
        due.add(tx, [due.entry(dict(run._mapping))])
    elif run.state_type == StateType.PAUSED and transitions.is_suspended(state(tx, run.state_id)):
        timeline.note(tx, run.id, "suspended", "The run waits without infrastructure until it is resumed")
    elif run.state_type not in TERMINAL and verdict:
        enter(tx, run, verdict, **columns)


def launch_again(tx: Tx, attempt: Row[Any], message: str, delay: float, **columns: Any) -> None:
    """The attempt came to nothing: free its slot and let the run wait for another, `delay` seconds from now."""
    again = make_state(
        StateType.SCHEDULED,
        tx.now,
        name="AwaitingRetry",
        message=message,
        scheduled_time=tx.now + timedelta(seconds=delay),
    )
    finish(tx, attempt, again, **columns)


def launch_again_after_loss(
    tx: Tx, attempt: Row[Any], run: Row[Any], settings: PoolSettings, reason: str, delay: float
) -> bool:
    """As `launch_again`, where the pool allows the run to lose its infrastructure once more; False where not."""
    used = run.infrastructure_retries
    if used >= settings.infrastructure_retries:
        return False
    message = f"{reason}. Launching again ({used + 1} of {settings.infrastructure_retries})"
    launch_again(tx, attempt, message, delay, infrastructure_retries=used + 1)
    return True


# -- others -----------------------------------------------------------------------------------------------------------


def delete_many(tx: Tx, run_ids: Iterable[UUID]) -> None:
    """Remove runs and all that is known of them; infrastructure is stopped and holds its slot until it is gone."""
    ids = sorted(run_ids)
    for start in range(0, len(ids), 200):
        chunk = ids[start : start + 200]
        tx.run(update(flow_runs).where(flow_runs.c.id.in_(chunk)).values(updated=tx.now))
        attempts.stop_where(tx, attempts_table.c.flow_run_id.in_(chunk), attempts.DELETED, "The flow run was deleted")
        due.remove(tx, chunk)
        for table in (flow_run_states, flow_run_timeline, flow_run_inputs, log_batches):
            tx.run(delete(table).where(table.c.flow_run_id.in_(chunk)))
        task_runs.delete_of_runs(tx, chunk)
        sight.forget(tx, chunk)
        tx.run(delete(flow_runs).where(flow_runs.c.id.in_(chunk)))


def unstarted(tx: Tx, run_ids: Iterable[UUID]) -> list[UUID]:
    """Those of these runs that still wait for their first start."""
    rows = tx.all(
        select(flow_runs.c.id).where(
            flow_runs.c.id.in_(list(run_ids)),
            flow_runs.c.state_type == str(StateType.SCHEDULED),
            flow_runs.c.state_name.in_(("Scheduled", "Late")),
            flow_runs.c.run_count == 0,
        )
    )
    return [row.id for row in rows]


def waiting_of_deployment(tx: Tx, deployment_id: UUID) -> list[UUID]:
    """The runs of a deployment that were never started."""
    rows = tx.all(
        select(flow_runs.c.id).where(
            flow_runs.c.deployment_id == deployment_id,
            flow_runs.c.state_type == str(StateType.SCHEDULED),
            flow_runs.c.run_count == 0,
        )
    )
    return [row.id for row in rows]
