"""Adoption: the copy of a database becomes an installation of its own, which leaves alone what the original runs.

A copy knows the original's attempts and bears its mark. Served as it is, it would look after containers that are not
its own: stop those that it knows nothing of, give up those that report elsewhere, and start what is due a second time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Row, select, update

from skylift.models.states import State, StateType, make_state
from skylift.parts import Parts
from skylift.store import Tx, runs
from skylift.store.tables import attempts, ended_attempts, flow_runs, work_pools

BATCH = 100
UNDER_WAY = (StateType.PENDING, StateType.RUNNING, StateType.CANCELLING)
MESSAGE = "This database is a copy: whatever was under way when it was made is the original's"


@dataclass(frozen=True, slots=True)
class Adopted:
    """What has become of the copy."""

    installation_id: UUID
    runs_ended: int
    pools_paused: int


def adopt(parts: Parts, *, pause_pools: bool = True) -> Adopted:
    """Give the installation another id, pause its work pools, and end the runs that were under way without a word to
    their providers. To be called while nothing else works on the database; it may be interrupted, and called again."""
    installation_id = parts.store.renew_installation_id()
    paused = parts.store.transaction(_pause) if pause_pools else 0
    ended = _until_none(parts, _end_attempts) + _until_none(parts, _end_runs)
    parts.store.transaction(_leave_alone)
    return Adopted(installation_id, ended, paused)


def _pause(tx: Tx) -> int:
    return tx.run(update(work_pools).where(work_pools.c.is_paused.is_(False)).values(is_paused=True, updated=tx.now))


def _until_none(parts: Parts, work: Callable[[Tx], int]) -> int:
    """Bounded transactions until one finds nothing to do; the sum of what they did."""
    total = 0
    while done := parts.store.transaction(work):
        total += done
    return total


def _end_attempts(tx: Tx) -> int:
    rows = tx.all(select(attempts.c.id).order_by(attempts.c.id).limit(BATCH))
    for row in rows:
        if attempt := runs.lock_attempt(tx, row.id):
            runs.finish(tx, attempt, _crashed(tx))
    return len(rows)


def _end_runs(tx: Tx) -> int:
    """Those that workers and people's own processes have."""
    rows = tx.all(select(flow_runs.c.id).where(flow_runs.c.state_type.in_(UNDER_WAY)).limit(BATCH))
    for row in rows:
        run: Row[Any] = runs.lock(tx, row.id)
        cancelled = make_state(StateType.CANCELLED, tx.now, message=MESSAGE)
        runs.enter(tx, run, cancelled if run.state_type == StateType.CANCELLING else _crashed(tx))
    return len(rows)


def _crashed(tx: Tx) -> State:
    return make_state(StateType.CRASHED, tx.now, message=MESSAGE)


def _leave_alone(tx: Tx) -> None:
    """Nothing of what attempts left at their providers is ours to clean up."""
    ended = ended_attempts.c.cleanup_at.is_not(None)
    tx.run(update(ended_attempts).where(ended).values(cleanup_at=None, token_hash=None))
