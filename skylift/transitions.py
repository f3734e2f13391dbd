"""How a proposed state of a flow run is answered. Pure: facts and a proposal in, a verdict out.

The rules are those that Prefect 3 clients expect, with two of our own: for run tokens and verbs terminal is terminal,
under `force` too; and a run that has infrastructure is Cancelled only once that is gone. Where else we differ is said
in tests/api/test_transitions.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from math import ceil
from typing import Any

from skylift.ids import new_id
from skylift.models.states import NAMES, State, StateType, make_state

IN_PROCESS, RESCHEDULE = "in_process", "reschedule"
"""What `retry_type` in a run's policy says of a run that waits for a retry: its process will make it, or a new one."""


class Author(StrEnum):
    """Who proposes."""

    PERSON = "person"
    RUN = "run"
    VERB = "verb"


@dataclass(frozen=True, slots=True)
class Facts:
    """What the verdict depends on."""

    state: State
    run_count: int
    policy: dict[str, Any]
    """The run's `empirical_policy`: its retries, and what is noted of its pauses."""
    has_deployment: bool
    is_subflow: bool
    has_attempt: bool
    """Whether infrastructure that we launched is, or may be, there."""
    infrastructure_pid: str | None
    """What a worker or a serving process noted of infrastructure of its own."""
    now: datetime


@dataclass(frozen=True, slots=True)
class Accept:
    state: State
    policy: dict[str, Any] | None = None
    """The run's new policy, where it changes."""
    resumes: bool = False
    """Whether this leaves a pause: noted in the policy once the state is written."""


@dataclass(frozen=True, slots=True)
class Reject:
    """`state` is written instead of the proposed one; None: the run's state stays."""

    reason: str
    state: State | None = None
    policy: dict[str, Any] | None = None
    resumes: bool = False


@dataclass(frozen=True, slots=True)
class Wait:
    reason: str
    seconds: int


@dataclass(frozen=True, slots=True)
class Abort:
    reason: str


Verdict = Accept | Reject | Wait | Abort
Rule = Callable[[Facts, State], Verdict | None]

_S = StateType


def decide(facts: Facts, proposed: State, author: Author, *, force: bool = False) -> Verdict:
    """Answer a proposal. The first rule that has something to say decides."""
    current = facts.state
    transition = proposed.state_details.transition_id
    if transition and transition == current.state_details.transition_id:
        return Reject("This transition was already made")
    if current.is_terminal and (author is not Author.PERSON or proposed.type is _S.CANCELLING):
        return Abort(_ended(current))
    for rule in _ALWAYS if force else _RULES:
        verdict = rule(facts, proposed)
        if verdict:
            return verdict
    if force:
        return Accept(proposed)
    if current.type is _S.SCHEDULED and proposed.type is _S.PENDING and not proposed.scheduled_time:
        proposed.state_details.scheduled_time = current.scheduled_time
    return replace(_accept(facts, proposed), resumes=current.type is _S.PAUSED)


def _ended(current: State) -> str:
    return f"This run has already ended as {current.name}"


def _accept(facts: Facts, proposed: State) -> Accept:
    """The new policy: what is known of pauses and retries ends with the run, and a pause is noted by its key."""
    policy = facts.policy
    if facts.state.is_terminal and not proposed.is_terminal:
        again = RESCHEDULE if proposed.type is _S.SCHEDULED else None
        return Accept(proposed, policy | {"resuming": False, "pause_keys": [], "retry_type": again})
    if proposed.type is _S.PAUSED:
        key = proposed.state_details.pause_key or str(new_id())
        return Accept(proposed, policy | {"pause_keys": sorted({*_pause_keys(facts), key})})
    if facts.state.type is _S.RUNNING and proposed.type is _S.FAILED and policy.get("retry_type"):
        return Accept(proposed, policy | {"retry_type": None})
    return Accept(proposed)


def _pause_keys(facts: Facts) -> list[str]:
    return facts.policy.get("pause_keys") or []


# -- rules, in the order in which they are asked ----------------------------------------------------------------------


def _after_the_end(facts: Facts, proposed: State) -> Verdict | None:
    """A person's wish for a run that is over."""
    current = facts.state
    if not current.is_terminal:
        return None
    if proposed.type in (_S.CRASHED, _S.PAUSED):
        return Abort(_ended(current))
    if _keeps_result(current) and not proposed.is_terminal:
        return Reject("This run is completed and its result was kept")
    if proposed.type is _S.SCHEDULED and not facts.has_deployment:
        return Abort("Only runs of a deployment can be run again")
    return None


def _result_is_not_lost(facts: Facts, proposed: State) -> Verdict | None:
    if _keeps_result(facts.state) and proposed.type is _S.COMPLETED and not _has_result(proposed):
        return Reject("This run is completed and its result was kept: another without a result does not replace it")
    return None


def _keeps_result(state: State) -> bool:
    return state.type is _S.COMPLETED and _has_result(state)


def _has_result(state: State) -> bool:
    """Whether its data tells where a result is kept."""
    return isinstance(state.data, dict) and bool(state.data) and state.data.get("type") != "unpersisted"


def _while_cancelling(facts: Facts, proposed: State) -> Verdict | None:
    if facts.state.type is _S.CANCELLING and proposed.type is not _S.CANCELLED:
        return Reject("This run is being cancelled")
    return None


def _nothing_to_cancel(facts: Facts, proposed: State) -> Verdict | None:
    if proposed.type is not _S.CANCELLING or facts.has_attempt:
        return None
    current = facts.state
    waits = current.type is _S.SCHEDULED and (not facts.infrastructure_pid or current.name == "Resuming")
    if waits or is_suspended(current):
        return Reject(
            "Nothing of this run is running, so it is cancelled at once",
            make_state(_S.CANCELLED, facts.now, message=proposed.message),
        )
    return None


def is_suspended(state: State) -> bool:
    """Whether the run waits in this pause without a process: to resume it is to launch it again."""
    return state.type is _S.PAUSED and state.state_details.pause_reschedule


def _to_pending(facts: Facts, proposed: State) -> Verdict | None:
    current = facts.state
    if proposed.type is not _S.PENDING or current.type not in (_S.PENDING, _S.RUNNING, _S.CANCELLED):
        return None
    if current.type is not _S.PENDING:
        return Abort(f"This run is already {current.name}")
    if proposed.name in (current.name, NAMES[_S.PENDING][0]):
        return Abort("This run is already pending: another has taken it")
    proposed.state_details.scheduled_time = current.scheduled_time
    return None


def _to_late(facts: Facts, proposed: State) -> Verdict | None:
    if proposed.type is not _S.SCHEDULED or proposed.name != "Late":
        return None
    if facts.state.type is not _S.SCHEDULED:
        return Reject("Only a run that waits for its start can be late")
    return Reject("This run is late already") if facts.state.name == "Late" else None


def _to_paused(facts: Facts, proposed: State) -> Verdict | None:
    if proposed.type is not _S.PAUSED:
        return None
    if facts.state.type is not _S.RUNNING:
        return Reject("Only a running run can pause")
    if proposed.state_details.pause_key in _pause_keys(facts):
        return Reject("This pause was already made")
    if proposed.state_details.pause_reschedule:
        if facts.is_subflow:
            return Abort("A subflow cannot be suspended: it has no process of its own")
        if not facts.has_deployment:
            return Abort("Only runs of a deployment can be suspended: nothing could start another again")
    return None


def _out_of_pause(facts: Facts, proposed: State) -> Verdict | None:
    current = facts.state
    if current.type is not _S.PAUSED:
        return None
    if proposed.type in (_S.PENDING, _S.PAUSED):
        return Reject("This run is paused: resume it")
    if current.state_details.pause_reschedule and not facts.has_deployment:
        return Reject("Only runs of a deployment can be launched again")
    until = current.state_details.pause_timeout
    if until and until < facts.now and proposed.type is not _S.CANCELLING:
        failed = make_state(_S.FAILED, facts.now, message=f"The run was {current.name.lower()} and never resumed")
        return Reject("The pause has taken longer than it may, so the run has failed", failed, resumes=True)
    return None


def _not_before_its_time(facts: Facts, proposed: State) -> Verdict | None:
    current = facts.state
    if proposed.type is not _S.RUNNING or current.type not in (_S.SCHEDULED, _S.PENDING):
        return None
    wanted = current.scheduled_time
    if wanted and wanted > facts.now:
        return Wait("The scheduled time is in the future", ceil((wanted - facts.now).total_seconds()))
    return None


def _retry(facts: Facts, proposed: State) -> Verdict | None:
    """A flow that failed and has retries left goes on in the process that it is in."""
    policy = facts.policy
    retries = policy.get("retries")
    if facts.state.type is not _S.RUNNING or proposed.type is not _S.FAILED:
        return None
    if retries is None or facts.run_count > retries:
        return None
    delay = policy.get("retry_delay") or 0
    if isinstance(delay, list):
        delay = delay[min(facts.run_count, len(delay)) - 1]
    again = make_state(
        _S.SCHEDULED,
        facts.now,
        name="AwaitingRetry",
        message=proposed.message,
        scheduled_time=facts.now + timedelta(seconds=float(delay)),
        data=proposed.data,
    )
    return Reject("Retrying", again, policy | {"resuming": False, "pause_keys": [], "retry_type": IN_PROCESS})


_ALWAYS: tuple[Rule, ...] = (_result_is_not_lost, _nothing_to_cancel)
"""Those that hold under `force` too."""
_RULES: tuple[Rule, ...] = (
    _after_the_end,
    _result_is_not_lost,
    _while_cancelling,
    _nothing_to_cancel,
    _to_pending,
    _to_late,
    _to_paused,
    _out_of_pause,
    _not_before_its_time,
    _retry,
)
