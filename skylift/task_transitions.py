"""How a proposed state of a task run is answered. Pure, as for flow runs. Prefect's engine does not ask: it decides the
states of its tasks itself and reports them as events; others set states over REST.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil
from typing import Any

from skylift.models.states import TERMINAL, State, StateType, make_state
from skylift.transitions import Abort, Accept, Reject, Verdict, Wait

_S = StateType
MOST = 10**9


@dataclass(frozen=True, slots=True)
class Facts:
    """What the verdict depends on."""

    state: State
    run_count: int
    flow_run_run_count: int
    policy: dict[str, Any]
    flow_run: tuple[State, int] | None
    """The state and the run count of the flow run that it belongs to."""
    now: datetime


def decide(facts: Facts, proposed: State, *, force: bool = False) -> Verdict:
    """Answer a proposal. The first rule that has something to say decides."""
    current = facts.state
    transition = proposed.state_details.transition_id
    if transition and transition == current.state_details.transition_id:
        return Reject("This transition was already made")
    if force:
        return Accept(proposed)
    if current.is_terminal and (verdict := _after_the_end(current, proposed)):
        return verdict
    match proposed.type:
        case _S.RUNNING:
            return _to_running(facts, proposed)
        case _S.PENDING if current.type is _S.SCHEDULED and not proposed.scheduled_time:
            proposed.state_details.scheduled_time = current.scheduled_time
        case _S.FAILED if current.type is _S.RUNNING:
            return _to_failed(facts, proposed)
    return Accept(proposed)


def _after_the_end(current: State, proposed: State) -> Verdict | None:
    if proposed.type in (_S.CANCELLING, _S.PAUSED, _S.CRASHED):
        return Abort(f"This task run has already ended as {current.name}")
    kept = current.data and not (isinstance(current.data, dict) and current.data.get("type") == "unpersisted")
    if current.type is _S.COMPLETED and kept:
        return Reject("This task run is completed and its result was kept")
    return None


def _to_running(facts: Facts, proposed: State) -> Verdict:
    if facts.flow_run:
        flow_state = facts.flow_run[0]
        if flow_state.type is _S.PAUSED:
            details = flow_state.state_details.model_dump(include={"pause_timeout", "pause_reschedule"})
            paused = make_state(_S.PAUSED, facts.now, name="NotReady", **details)
            return Reject("The flow run is paused: its tasks can start once it was resumed", paused)
        if flow_state.type is not _S.RUNNING:
            return Abort(f"The flow run is {flow_state.name}: its tasks can only start while it is running")
    current = facts.state
    wanted = current.scheduled_time
    if wanted and current.type in (_S.SCHEDULED, _S.PENDING) and wanted > facts.now:
        return Wait("The scheduled time is in the future", ceil((wanted - facts.now).total_seconds()))
    if current.type in TERMINAL:
        if facts.flow_run and facts.flow_run_run_count < facts.flow_run[1]:
            proposed.name = "Retrying"
    elif facts.run_count:
        proposed.name = "Retrying" if current.name == "AwaitingRetry" else "Rerunning"
    return Accept(proposed)


def _to_failed(facts: Facts, proposed: State) -> Verdict:
    retries = _number(facts.policy.get("retries"))
    retriable = (proposed.state_details.model_extra or {}).get("retriable")
    if retriable is False or facts.run_count > retries:
        return Accept(proposed)
    again = make_state(
        _S.SCHEDULED,
        facts.now,
        name="AwaitingRetry",
        message=proposed.message,
        data=proposed.data,
        scheduled_time=facts.now + timedelta(seconds=_delay(facts)),
    )
    return Reject("Retrying", again)


def _delay(facts: Facts) -> float:
    delay = facts.policy.get("retry_delay")
    if isinstance(delay, list):
        delay = delay[min(max(facts.run_count, 1), len(delay)) - 1] if delay else 0
    jitter = min(_number(facts.policy.get("retry_jitter_factor")), 1)
    return _number(delay) * (1 + random.uniform(-jitter, jitter))  # noqa: S311 - jitter is no secret


def _number(value: Any) -> float:
    """The policy is a client's own: what is no number there, or no sensible one, is none."""
    known = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= MOST
    return float(value) if known else 0.0
