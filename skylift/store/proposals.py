"""Proposed states of flow runs: what is decided about them is carried out here, in one transaction."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Row, update

from skylift import transitions
from skylift.models.runs import OrchestrationResult, SetStateStatus
from skylift.models.states import TERMINAL, State, StateCreate, StateType, make_state
from skylift.store import attempts, pull, runs
from skylift.store.engine import Tx
from skylift.store.tables import attempts as attempts_table
from skylift.store.tables import flow_runs
from skylift.transitions import Abort, Accept, Author, Facts, Reject, Wait


def propose(tx: Tx, run_id: UUID, wanted: StateCreate, author: Author, *, force: bool = False) -> OrchestrationResult:
    """Answer a proposed state and do what follows from the answer."""
    gate = pull.gate(tx, run_id, wanted, force=force)
    run = runs.lock(tx, run_id)
    attempt = attempts.of_run(tx, run_id)
    current = runs.state(tx, run.state_id)
    facts = Facts(
        state=current,
        run_count=run.run_count,
        policy=run.empirical_policy,
        has_deployment=run.deployment_id is not None,
        is_subflow=run.parent_task_run_id is not None,
        has_attempt=attempt is not None,
        infrastructure_pid=run.infrastructure_pid,
        now=tx.now,
    )
    match gate.hold(run, current, transitions.decide(facts, _proposed(tx, run_id, wanted), author, force=force)):
        case Accept(new) as verdict:
            _carry_out(tx, run, attempt, verdict, new, author)
            return _result(new, SetStateStatus.ACCEPT, {"type": "accept_details"}, was_written=True)
        case Reject(reason, new) as verdict:
            if new:
                # A proposal that is repeated because its answer was lost must get this answer once more.
                new.state_details.transition_id = wanted.state_details.transition_id
                new.state_details.flow_run_id = run_id
                _carry_out(tx, run, attempt, verdict, new, author)
            because = {"type": "reject_details", "reason": reason}
            return _result(new or current, SetStateStatus.REJECT, because, was_written=new is not None)
        case Wait(reason, seconds):
            details = {"type": "wait_details", "delay_seconds": seconds, "reason": reason}
            return _result(current, SetStateStatus.WAIT, details)
        case Abort(reason):
            return _result(current, SetStateStatus.ABORT, {"type": "abort_details", "reason": reason})


def _proposed(tx: Tx, run_id: UUID, wanted: StateCreate) -> State:
    details = wanted.state_details.model_copy(update={"flow_run_id": run_id})
    if wanted.type is StateType.SCHEDULED and not details.scheduled_time:
        details.scheduled_time = tx.now
    made = make_state(wanted.type, tx.now, name=wanted.name, message=wanted.message, data=wanted.data)
    return made.model_copy(update={"state_details": details})


def _result(
    new: State | None, status: SetStateStatus, details: dict[str, Any], *, was_written: bool = False
) -> OrchestrationResult:
    return OrchestrationResult(state=new, status=status, details=details, was_written=was_written)


def _carry_out(
    tx: Tx, run: Row[Any], attempt: Row[Any] | None, verdict: Accept | Reject, new: State, author: Author
) -> None:
    """Write the state that was decided on, and let the run's infrastructure know."""
    revived = run.state_type in TERMINAL and new.type is StateType.SCHEDULED
    columns: dict[str, Any] = {"infrastructure_retries": 0, "launch_delays": 0} if revived else {}
    own_end = author is Author.RUN and new.type in _OWN_ENDS
    if attempt and own_end:
        attempts.remove(tx, attempt, reported_end=True)
    policy = verdict.policy or {}
    in_process = new.type is StateType.SCHEDULED and policy.get("retry_type") == transitions.IN_PROCESS
    runs.enter(tx, run, new, policy=verdict.policy, in_process=in_process, **columns)
    if verdict.resumes:
        _note_resumption(tx, run.id)
    if not attempt or own_end:
        return
    this, by_person = attempts_table.c.id == attempt.id, author is Author.PERSON
    if new.type is StateType.CANCELLING:
        attempts.stop_where(tx, this, attempts.CANCELLED, new.message or "Cancellation was asked for")
    elif new.is_terminal:
        attempts.stop_where(tx, this, attempts.ENDED, f"The run was set to {new.name}")
    elif by_person and transitions.is_suspended(new):
        # Asked as for a cancellation: with its grace, and its last words are heard.
        attempts.stop_where(tx, this, attempts.CANCELLED, "The run was suspended")


def _note_resumption(tx: Tx, run_id: UUID) -> None:
    """A run that left its pause is resuming until it next runs or ends; clients count its runs by that."""
    policy = runs.by_id(tx, run_id).empirical_policy
    tx.run(update(flow_runs).where(flow_runs.c.id == run_id).values(empirical_policy=policy | {"resuming": True}))


_OWN_ENDS = {StateType.COMPLETED, StateType.FAILED, StateType.CRASHED}
