"""What a runner says: its first word, its heartbeats, its last word."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, select

from skylift.errors import ConflictError, ForbiddenError, GoneError, NotFoundError
from skylift.ids import RUN_TOKEN_PREFIX, new_token, token_hash
from skylift.models.pools import OnInfraLoss, PoolSettings
from skylift.models.runs import Ended, Terms
from skylift.models.states import TERMINAL, State, StateType, make_state
from skylift.rendering import from_json, time_limit
from skylift.security.sealing import Sealer
from skylift.store import Tx, attempts, pools, runs, sight, timeline
from skylift.store.tables import ended_attempts

SOON = 2.0
"""Seconds until the next heartbeat while the run is to hear something."""
LOSS_DELAY = 5.0
"""Seconds from the word that a run was lost to its next launch."""


def admit(
    tx: Tx, sealer: Sealer, attempt_id: UUID, instance: str, nonce: str | None, pool_secret: str | None = None
) -> Terms:
    """Let the first instance run, and it alone. The same one may ask again, and gets a new token.

    Raises `NotFoundError`, `GoneError` (the attempt was given up), `ForbiddenError` (the nonce, the pool's secret),
    `ConflictError` (another instance runs it).
    """
    attempt = _live(tx, attempt_id)
    if attempt.stop or not attempt.request:
        raise GoneError("This attempt was given up")
    if attempt.nonce_hash != token_hash(nonce or ""):
        raise ForbiddenError("The nonce is not this attempt's")
    accepted = _settings(tx, attempt).admission_secrets
    if accepted and token_hash(pool_secret or "") not in accepted:
        raise ForbiddenError("The work pool's secret is missing or not the right one")
    if attempt.instance not in (None, instance):
        raise ConflictError("Another instance runs this attempt")
    terms = from_json(sealer.open(attempt.request)).terms
    run = runs.by_id(tx, attempt.flow_run_id)
    if terms is None or run.state_type in TERMINAL:
        raise GoneError("This attempt was given up")
    token = RUN_TOKEN_PREFIX + new_token()
    limit = time_limit(terms)
    attempts.change(
        tx,
        attempt_id,
        phase=attempts.ADMITTED,
        instance=instance,
        token_hash=token_hash(token),
        admitted_at=attempt.admitted_at or tx.now,
        heartbeat_at=tx.now,
        deadline_at=attempt.deadline_at or (limit and tx.now + timedelta(seconds=limit)),
        look_at=tx.now + timedelta(seconds=3 * terms["heartbeat_seconds"]),
    )
    if not attempt.instance:
        timeline.note(tx, run.id, "first word", f"The runner was admitted ({instance})", attempt_id=attempt_id)
    return Terms(token=token, **terms)


def _live(tx: Tx, attempt_id: UUID) -> Row[Any]:
    attempt = runs.lock_attempt(tx, attempt_id)
    if attempt:
        return attempt
    if tx.one(select(ended_attempts.c.id).where(ended_attempts.c.id == attempt_id)):
        raise GoneError("This attempt is over")
    raise NotFoundError(f"Attempt {attempt_id} not found")


def heartbeat(tx: Tx, attempt_id: UUID, instance: str) -> dict[str, Any]:
    """Note a sign of life; says when the next one is due (seconds), and the state that the run must hear of."""
    attempt = attempts.lock(tx, attempt_id)
    over = None if attempt else _ended_by_itself(tx, attempt_id, instance)
    if over:
        return {"next": SOON, "states": {str(over.id): _told(tx, over)}}
    if not attempt or (attempt.stop and attempt.stop != attempts.CANCELLED):
        raise GoneError("This attempt was given up")
    if attempt.instance != instance:
        raise ConflictError("Another instance runs this attempt")
    run = runs.find(tx, attempt.flow_run_id)
    if not run:
        raise GoneError("This attempt's run was deleted")
    every = _settings(tx, attempt).heartbeat
    changes: dict[str, Any] = {"heartbeat_at": tx.now}
    if not attempt.stop:
        changes["look_at"] = tx.now + timedelta(seconds=3 * every)
    attempts.change(tx, attempt_id, **changes)
    below = sight.cancelling_below(tx, run.id)
    told = {str(each.id): _told(tx, each) for each in (run, *below)}
    return {"next": min(SOON, every) if attempt.stop or below else every, "states": told}


def _told(tx: Tx, run: Row[Any]) -> dict[str, str]:
    now = runs.state(tx, run.state_id)
    return {"id": str(now.id), "type": str(now.type), "name": now.name, "timestamp": now.timestamp.isoformat()}


def _ended_by_itself(tx: Tx, attempt_id: UUID, instance: str) -> Row[Any] | None:
    """The run, where it has reported its own end (Prefect's engine does) and this instance is only clearing up."""
    ended = tx.one(select(ended_attempts).where(ended_attempts.c.id == attempt_id))
    if not ended or not ended.reported_end or ended.instance != instance:
        return None
    run = runs.find(tx, ended.flow_run_id)
    return run if run and run.state_type in TERMINAL else None


def _settings(tx: Tx, attempt: Row[Any]) -> PoolSettings:
    """Its pool's; the defaults where that was deleted while the run was being cancelled."""
    pool = pools.find(tx, attempt.work_pool_id)
    return pools.settings_of(pool) if pool else PoolSettings()


def end(tx: Tx, attempt_id: UUID, word: Ended) -> State:
    """The runner's last word decides the state, in one transaction; says the state that the run is in now."""
    over = _ended_by_itself(tx, attempt_id, word.instance)
    if over:
        _note(tx, over, attempt_id, word, lines=1)  # the run's own report says more than the last lines
        return runs.state(tx, over.state_id)
    attempt = _live(tx, attempt_id)
    if attempt.instance != word.instance:
        raise ConflictError("Another instance runs this attempt")
    if attempt.stop and attempt.stop not in (attempts.CANCELLED, attempts.ENDED):
        raise GoneError("This attempt was given up")
    run = runs.find(tx, attempt.flow_run_id)
    if not run:
        raise GoneError("This attempt's run was deleted")
    _note(tx, run, attempt_id, word)
    if attempt.stop:
        # Cancelled once the provider confirms that nothing of it runs any more.
        attempts.change(tx, attempt_id, look_at=tx.now + timedelta(seconds=0.2))
        attempts.wake_observe(tx, tx.now + timedelta(seconds=0.2))
    elif _goes_on(run, word):
        runs.finish(tx, attempt, None)
    else:
        _finish(tx, attempt, run, word)
    return runs.state(tx, runs.by_id(tx, run.id).state_id)


def _note(tx: Tx, run: Row[Any], attempt_id: UUID, word: Ended, lines: int | None = None) -> None:
    how = "\n".join((word.reason or word.outcome).splitlines()[:lines])
    timeline.note(tx, run.id, "last word", f"The runner says: {word.outcome}: {how}", attempt_id=attempt_id)


def _goes_on(run: Row[Any], word: Ended) -> bool:
    """Whether the run is to be left as it is: it waits for another start, or is suspended until somebody resumes it."""
    if word.outcome == "not_started":
        return bool(run.state_type == StateType.SCHEDULED)
    came_to_rest = word.outcome == "suspended" or (word.outcome == "exited" and word.exit_code == 0)
    return came_to_rest and run.state_type in (StateType.PAUSED, StateType.SCHEDULED)


def _finish(tx: Tx, attempt: Row[Any], run: Row[Any], word: Ended) -> None:
    settings = _settings(tx, attempt)
    verdict = _verdict(tx, word)
    lost = verdict.type is StateType.CRASHED and run.state_type not in TERMINAL
    may_retry = lost and settings.on_infra_loss is OnInfraLoss.RETRY
    if may_retry and runs.launch_again_after_loss(tx, attempt, run, settings, str(verdict.message), LOSS_DELAY):
        return
    runs.finish(tx, attempt, verdict)


def _verdict(tx: Tx, word: Ended) -> State:
    match word.outcome:
        case "completed":
            return make_state(StateType.COMPLETED, tx.now)
        case "failed":
            return make_state(StateType.FAILED, tx.now, message=word.reason or "The run failed")
        case "timed_out":
            return make_state(StateType.FAILED, tx.now, name="TimedOut", message=word.reason)
        case "cancelled":
            return make_state(StateType.CANCELLED, tx.now, message=word.reason)
        case "exited":
            message = f"The run did not report how it ended. {word.reason or ''}".rstrip()
            return make_state(StateType.CRASHED, tx.now, message=message)
        case _:
            return make_state(StateType.CRASHED, tx.now, message=word.reason or "The run ended without a reason")
