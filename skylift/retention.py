"""The verb retention: delete what is older than the settings keep it.

In stages: what goes by its own age (logs, events, artifacts, deliveries), runs that ended long ago with all that hangs
on them, and then what those left. Each stage goes on batch by batch, every one a short transaction of its own: it may
be stopped anywhere, and called again at any time. A run that has not ended, or of which anything is left at a provider,
stays.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from skylift.models.upkeep import Retained
from skylift.parts import Parts
from skylift.settings import Settings
from skylift.store import Tx, old

NOW = timedelta(0)


@dataclass(frozen=True, slots=True)
class Stage:
    """One kind of thing that goes."""

    kind: str
    """What it is counted as; empty where it goes with something else."""
    age: Callable[[Settings], timedelta | None]
    """How long it is kept; None: for good."""
    sweep: old.Sweep
    count: Callable[[Tx, datetime], int] | None = None


STAGES = (
    Stage("expired_limits", lambda _: NOW, old.leases, old.count_leases),
    Stage("api_keys", lambda _: old.KEYS_KEPT, old.api_keys, old.count_keys),
    Stage("logs", lambda settings: settings.retention_logs, old.logs, old.count_logs),
    Stage("events", lambda settings: settings.retention_events, old.old_events, old.count_events),
    Stage("artifacts", lambda settings: settings.retention_artifacts, old.old_artifacts, old.count_artifacts),
    Stage("deliveries", lambda settings: settings.retention_deliveries, old.old_deliveries, old.count_deliveries),
    Stage("flow_runs", lambda settings: settings.retention_runs, old.ended_runs_with_all, old.count_runs),
    Stage("task_runs", lambda settings: settings.retention_runs, old.lone_task_runs, old.count_task_runs),
    Stage("", lambda settings: settings.retention_runs, old.slots),
    Stage("", lambda settings: settings.retention_runs, old.left_task_runs),
    Stage("", lambda settings: settings.retention_runs, old.left_logs),
    Stage("", lambda settings: settings.retention_runs, old.left_artifacts),
    Stage("", lambda settings: settings.retention_runs, old.left_attempts),
)


def retention(
    parts: Parts,
    *,
    dry_run: bool = False,
    until: float = math.inf,
    stopped: Callable[[], bool] = lambda: False,
) -> Retained:
    """Delete what is too old, until `time.monotonic()` is at `until` or it is `stopped`; says how much it was.

    `dry_run` deletes nothing and says how much it would be.
    """
    with parts.store.reading() as tx:
        now = tx.now
    done = Retained()
    for stage, before in _kept(parts.settings, now):
        if stage.kind:
            done.before[stage.kind] = before
        if dry_run:
            if stage.count:
                with parts.store.reading() as tx:
                    _add(done, stage, stage.count(tx, before))
        elif not _sweep(parts, stage, before, done, lambda: time.monotonic() >= until or stopped()):
            done.complete = False
            break
    return done


def _kept(settings: Settings, now: datetime) -> Iterator[tuple[Stage, datetime]]:
    for stage in STAGES:
        age = stage.age(settings)
        if age is not None:
            yield stage, now - age


def _sweep(parts: Parts, stage: Stage, before: datetime, done: Retained, over: Callable[[], bool]) -> bool:
    """False where it was over before all was done."""
    after: old.Position | None = None
    while not over():
        batch = parts.store.transaction(stage.sweep, before, after)
        _add(done, stage, batch.gone)
        if not batch.goes_on:
            return True
        after = batch.after
    return False


def _add(done: Retained, stage: Stage, number: int) -> None:
    if stage.kind:
        setattr(done, stage.kind, getattr(done, stage.kind) + number)
