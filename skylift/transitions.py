"""How a proposed state of a flow run is answered. Pure: facts and a proposal in, a verdict out.

The rules are those that Prefect 3 clients expect, with two of our own: for run tokens and verbs terminal is terminal,
under `force` too; and a run that has infrastructure is Cancelled only once that is gone.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from math import ceil
from typing import Any

from skylift.models.states import NAMES, TERMINAL, State, StateType, make_state


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
    has_deployment: bool
    has_infrastructure: bool
    now: datetime


@dataclass(frozen=True, slots=True)
class Accept:
    state: State


@dataclass(frozen=True, slots=True)
class Reject:
    """`state` is written instead of the proposed one; None: the run's state stays."""

    reason: str
    state: State | None = None


@dataclass(frozen=True, slots=True)
class Wait:
    reason: str
    seconds: int


@dataclass(frozen=True, slots=True)
class Abort:
    reason: str


Verdict = Accept | Reject | Wait | Abort

_S = StateType


def decide(facts: Facts, proposed: State, author: Author, *, force: bool = False) -> Verdict:
    """Answer a proposal. The first rule that has something to say decides."""
    current = facts.state
    transition = proposed.state_details.transition_id
    if transition and transition == current.state_details.transition_id:
        return Reject("This transition was already made")
    if current.is_terminal and author is not Author.PERSON:
        return Abort(f"This run has already ended as {current.name}")
    if current.is_terminal and proposed.type is _S.CANCELLING:
        return Abort(f"This run has already ended as {current.name}")
    if proposed.type is _S.CANCELLING and not facts.has_infrastructure:
        return Reject(
            "Nothing of this run is running, so it is cancelled at once",
            make_state(_S.CANCELLED, facts.now, message=proposed.message),
        )
    if force:
        return Accept(proposed)
    if current.is_terminal:
        return _after_the_end(facts, proposed)
    if current.type is _S.CANCELLING and proposed.type is not _S.CANCELLED:
        return Reject("This run is being cancelled")
    return _RULES.get(proposed.type, _accept)(facts, proposed)


def _after_the_end(facts: Facts, proposed: State) -> Verdict:
    """A person's wish for a run that is over."""
    current = facts.state
    if proposed.type in (_S.CRASHED, _S.CANCELLING, _S.PAUSED):
        return Abort(f"This run has already ended as {current.name}")
    if proposed.type is _S.SCHEDULED and not facts.has_deployment:
        return Abort("Only runs of a deployment can be run again")
    if proposed.type is _S.PENDING and current.type not in (_S.FAILED, _S.CRASHED):
        return Abort(f"This run has already ended as {current.name}")
    if current.type is _S.COMPLETED and current.data and proposed.type not in TERMINAL:
        return Reject("This run is completed and its result was kept")
    return Accept(proposed)


def _accept(_facts: Facts, proposed: State) -> Verdict:
    return Accept(proposed)


def _to_pending(facts: Facts, proposed: State) -> Verdict:
    current = facts.state
    if current.type is _S.PENDING and proposed.name in (current.name, NAMES[_S.PENDING][0]):
        return Abort("This run is already pending: another has taken it")
    if current.type in (_S.RUNNING, _S.CANCELLING, _S.PAUSED):
        return Abort(f"This run is already {current.name}")
    if current.scheduled_time and not proposed.scheduled_time:
        proposed.state_details.scheduled_time = current.scheduled_time
    return Accept(proposed)


def _to_running(facts: Facts, proposed: State) -> Verdict:
    wanted = facts.state.scheduled_time
    if wanted and facts.state.type in (_S.SCHEDULED, _S.PENDING) and wanted > facts.now:
        return Wait("The scheduled time is in the future", ceil((wanted - facts.now).total_seconds()))
    return Accept(proposed)


def _to_scheduled(facts: Facts, proposed: State) -> Verdict:
    if proposed.name == "Late" and facts.state.name != "Scheduled":
        return Reject("Only a run that waits for its first start can be late")
    return Accept(proposed)


def _to_paused(facts: Facts, proposed: State) -> Verdict:
    if facts.state.type is not _S.RUNNING:
        return Reject("Only a running run can pause")
    return Accept(proposed)


def _to_failed(facts: Facts, proposed: State) -> Verdict:
    retries = facts.policy.get("retries") or 0
    if facts.state.type is not _S.RUNNING or facts.run_count > retries:
        return Accept(proposed)
    delay = facts.policy.get("retry_delay") or 0
    if isinstance(delay, list):
        delay = delay[min(facts.run_count, len(delay)) - 1]
    return Reject(
        "Retrying",
        make_state(
            _S.SCHEDULED,
            facts.now,
            name="AwaitingRetry",
            message=proposed.message,
            scheduled_time=facts.now + timedelta(seconds=float(delay)),
        ),
    )


_RULES = {
    _S.SCHEDULED: _to_scheduled,
    _S.PENDING: _to_pending,
    _S.RUNNING: _to_running,
    _S.PAUSED: _to_paused,
    _S.FAILED: _to_failed,
}
