"""What a look at an attempt comes to where nothing has to be decided: it goes on, and is looked at again later.

That is what most looks come to, so all of a batch are written down in one transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row

from skylift.models.pools import PoolSettings
from skylift.provider import Observation, Provider
from skylift.store import Tx, attempts, timeline

STOP_AGAIN = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Seen:
    """An attempt and what its provider said of it (None: it could not be asked)."""

    attempt: Row[Any]
    observation: Observation | None
    settings: PoolSettings

    @property
    def is_over(self) -> bool:
        return bool(self.observation and self.observation.phase in ("ended", "gone"))


def go_on(tx: Tx, seen: Sequence[Seen], provider: Provider) -> set[UUID]:
    """Plan the next look at those that still go on; says which. `seen`: none that is over. No runs are locked, only
    attempts."""
    by_id = {each.attempt.id: each for each in seen}
    changes, lines = [], []
    for attempt in attempts.lock_many(tx, by_id):
        one = by_id[attempt.id]
        if attempt.stop or overdue(tx.now, attempt, one.settings):
            continue
        lines += changed_phase(tx, attempt, one.observation)
        changes.append({"attempt": attempt.id, **looked_at(tx.now, attempt, one, provider)})
    attempts.change_many(tx, changes)
    timeline.add(tx, lines)
    for at in {each["look_at"] for each in changes}:
        attempts.wake_observe(tx, at)
    return {each["attempt"] for each in changes}


def changed_phase(tx: Tx, attempt: Row[Any], observation: Observation | None) -> list[dict[str, Any]]:
    """A line for the run's timeline where the provider says something new."""
    if not observation or observation.phase == attempt.provider_phase:
        return []
    message = f"The provider says: {observation.phase}"
    return [timeline.entry(tx, attempt.flow_run_id, "provider", message, attempt_id=attempt.id)]


def looked_at(now: datetime, attempt: Row[Any], seen: Seen, provider: Provider) -> dict[str, Any]:
    """The columns of an attempt that was looked at."""
    observation = seen.observation
    return {
        "look_at": _next_look(now, attempt, provider, seen.settings),
        "provider_phase": observation.phase if observation else attempt.provider_phase,
        "handle": attempt.handle or (observation.handle if observation else None),
    }


def overdue(now: datetime, attempt: Row[Any], settings: PoolSettings) -> str | None:
    """Why the attempt is to be given up, where it takes too long."""
    waited = (now - (attempt.launched_at or attempt.claimed_at)).total_seconds()
    if attempt.reports and not attempt.admitted_at and waited > settings.start_timeout:
        return f"No word from the run within {settings.start_timeout:g} s of its launch"
    if attempt.deadline_at and now > attempt.deadline_at:
        return "The run went beyond its time limit and did not stop by itself"
    return None


def _next_look(now: datetime, attempt: Row[Any], provider: Provider, settings: PoolSettings) -> datetime:
    if attempt.stop:
        since = (now - attempt.stop_at).total_seconds()
        return now + min(STOP_AGAIN, timedelta(seconds=max(0.25, provider.look_every, since / 4)))
    if attempt.admitted_at:
        return now + timedelta(seconds=3 * settings.heartbeat)
    return now + timedelta(seconds=provider.look_every)
