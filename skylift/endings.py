"""What becomes of a run whose provider says that it is over, where the run has not said so itself."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Row

from skylift.launching import put_off
from skylift.models.pools import OnInfraLoss, PoolSettings
from skylift.models.states import State, StateType, make_state
from skylift.provider import Observation
from skylift.store import Tx, attempts, runs, timeline

RELAUNCH_DELAY = 5.0
"""Seconds until a run whose machine was lost is launched again; doubled each time."""


def settle(tx: Tx, attempt: Row[Any], observation: Observation, settings: PoolSettings, tail: list[str]) -> None:
    """Free the slot, and decide what the run itself did not report."""
    code = "" if observation.exit_code is None else f" (exit code {observation.exit_code})"
    ended = "gone" if observation.phase == "gone" else f"ended{code}"
    words = f"The provider says: {ended}" + (f": {observation.reason}" if observation.reason else "")
    timeline.note(tx, attempt.flow_run_id, "ended", words, attempt_id=attempt.id, remedy=observation.remedy)
    run = runs.find(tx, attempt.flow_run_id)
    if attempt.stop and attempt.stop != attempts.GAVE_UP:
        runs.finish(tx, attempt, stopped(tx, attempt))
        return
    if observation.fault and not attempt.admitted_at:
        _never_began(tx, attempt, observation, tail)
        return
    without_report = settings.reports and observation.exit_code == 0
    if not attempt.reports and not attempt.stop and observation.exit_code is not None and not without_report:
        _end_command(tx, attempt, run, observation)
        return
    reason = _loss(attempt, observation, tail)
    before_user_code = attempt.reports and not attempt.admitted_at
    may_retry = before_user_code or settings.on_infra_loss is OnInfraLoss.RETRY
    if run and may_retry:
        delay = RELAUNCH_DELAY * 2**run.infrastructure_retries
        if runs.launch_again_after_loss(tx, attempt, run, settings, reason, delay):
            return
    runs.finish(tx, attempt, make_state(StateType.CRASHED, tx.now, message=reason))


def _never_began(tx: Tx, attempt: Row[Any], observation: Observation, tail: list[str]) -> None:
    """It was accepted, and came to nothing before any code of the run's own."""
    reason = "\n".join([f"It could not start: {observation.reason or observation.fault}", *tail])
    message = f"{reason}. {observation.remedy}" if observation.remedy else reason
    if observation.fault == "capacity" and not attempt.stop:
        put_off(tx, attempt, message)
    else:
        runs.finish(tx, attempt, make_state(StateType.CRASHED, tx.now, message=message))


def _end_command(tx: Tx, attempt: Row[Any], run: Row[Any] | None, observation: Observation) -> None:
    """A bare command says nothing of itself: when it began and ended is its provider's word, the verdict its exit code.

    That it runs is not written before its end: until then it may be one that proposes its states after all.
    """
    ended = tx.now
    if run:
        ended = _within(observation.ended_at or tx.now, run.state_timestamp, tx.now)
        if run.state_type == StateType.PENDING and observation.started_at:
            began = _within(observation.started_at, run.state_timestamp, ended)
            runs.enter(tx, run, make_state(StateType.RUNNING, began), note=False)
    runs.finish(tx, attempt, _by_exit_code(ended, observation))


def _within(at: datetime, first: datetime, last: datetime) -> datetime:
    return min(max(at, first), last)


def _by_exit_code(at: datetime, observation: Observation) -> State:
    """A bare command's own verdict."""
    if observation.exit_code == 0:
        return make_state(StateType.COMPLETED, at)
    code = observation.exit_code or 0
    how = f"signal {code - 128}" if code > 128 else f"exit code {code}"
    reason = f": {observation.reason}" if observation.reason else ""
    return make_state(StateType.FAILED, at, message=f"The command ended with {how}{reason}")


def _loss(attempt: Row[Any], observation: Observation, tail: list[str]) -> str:
    if attempt.stop == attempts.GAVE_UP:
        reason = str(attempt.stop_message)
    elif attempt.admitted_at or not attempt.reports:
        reason = "The infrastructure ended without a report of the run"
    else:
        reason = "The infrastructure ended before the run's first word"
    if observation.reason:
        reason += f" ({observation.reason})"
    return "\n".join([reason, *tail])


def stopped(tx: Tx, attempt: Row[Any]) -> State:
    """For a run that goes on with nobody's say-so: its pool was deleted under it."""
    return make_state(StateType.CANCELLED, tx.now, message=attempt.stop_message)
