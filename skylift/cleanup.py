"""What attempts leave behind at their providers is removed, and what belongs to nobody is stopped."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, select, update

from skylift.output import forward_output
from skylift.parts import Parts
from skylift.provider import FindsStrays, Provider, Watched
from skylift.rendering import pool_configuration
from skylift.store import Tx, attempts, runs, timeline
from skylift.store.ranges import from_first
from skylift.store.tables import ended_attempts, work_pools
from skylift.watching import guarded, watched

log = logging.getLogger(__name__)

BATCH = 200
AGAIN = timedelta(minutes=1)
OVERSTAY = timedelta(minutes=5)
"""How long a container may stay after its run's last word; then it is stopped."""
LEFTOVER_GRACE = 10.0


def clean_up(parts: Parts) -> int:
    """Remove what ended attempts left at their providers; says how many were cleaned."""
    with parts.store.reading() as tx:
        rows = tx.all(
            select(ended_attempts)
            .where(
                ended_attempts.c.cleanup_at <= tx.now,
                from_first(ended_attempts.c.cleanup_at),
                ended_attempts.c.provider_type.in_(parts.providers.types),
            )
            .order_by(ended_attempts.c.cleanup_at)
            .limit(BATCH)
        )
    for row in rows:
        guarded(row.id, lambda row=row: _clean_up(parts, row))  # type: ignore[misc]
    return len(rows)


def _clean_up(parts: Parts, row: Row[Any]) -> None:
    """Only what has ended is cleaned; a container that is still on its way out gets a little more time."""
    if not _later(parts, row.id, AGAIN, ended_attempts.c.cleanup_at == row.cleanup_at):
        return  # another is at it
    provider = parts.providers.get(row.provider_type)
    known = watched(parts, row)
    now = provider.status([known]).get(row.id)
    if not now or now.phase in ("starting", "running"):
        if now and row.cleanup_at > row.ended_at + OVERSTAY:
            provider.stop(known, LEFTOVER_GRACE)
        _later(parts, row.id, timedelta(seconds=max(provider.look_every, 0.5)))
        return
    if not row.reports and not forward_output(parts, provider, row, ended_attempts):
        _later(parts, row.id, timedelta(seconds=0))
        return
    provider.cleanup(known)

    def done(tx: Tx) -> None:
        tx.run(update(ended_attempts).where(ended_attempts.c.id == row.id).values(cleanup_at=None))
        if runs.find(tx, row.flow_run_id):
            timeline.note(tx, row.flow_run_id, "cleaned", "Nothing is left at the provider", attempt_id=row.id)

    parts.store.transaction(done)


def _later(parts: Parts, attempt_id: UUID, pause: timedelta, *conditions: ColumnElement[bool]) -> bool:
    """Clean it `pause` from now at the earliest; False where the conditions do not hold any more."""

    def work(tx: Tx) -> bool:
        put_off = update(ended_attempts).where(ended_attempts.c.id == attempt_id, *conditions)
        attempts.wake_observe(tx, tx.now + pause)
        return bool(tx.run(put_off.values(cleanup_at=tx.now + pause)))

    return parts.store.transaction(work)


def stop_strays(parts: Parts, pool_types: Iterable[str] | None = None) -> int:
    """Stop and clean what carries this installation's mark but is no live attempt's; says how many were found."""
    found: list[int] = []
    with parts.store.reading() as tx:
        rows = tx.all(select(work_pools))
    for pool in rows:
        if pool.type in parts.providers and (pool_types is None or pool.type in pool_types):
            guarded(f"Strays of work pool {pool.name!r}", lambda pool=pool: found.extend(_strays_of(parts, pool)))  # type: ignore[misc]
    return sum(found)


def _strays_of(parts: Parts, pool: Row[Any]) -> Iterable[int]:
    provider = parts.providers.get(pool.type)
    if isinstance(provider, FindsStrays):
        with parts.store.reading() as tx:
            configuration = pool_configuration(parts, tx, pool)
        for each in provider.list_attempts(parts.store.installation_id, configuration):
            yield _stop_stray(parts, provider, each)


def _stop_stray(parts: Parts, provider: Provider, each: Watched) -> int:
    with parts.store.reading() as tx:
        pending = tx.one(
            select(ended_attempts.c.id).where(
                ended_attempts.c.id == each.attempt_id, ended_attempts.c.cleanup_at.is_not(None)
            )
        )
        if pending or attempts.by_id(tx, each.attempt_id):
            return 0
    state = provider.status([each]).get(each.attempt_id)
    if state and state.phase in ("starting", "running"):
        log.warning("Attempt %s runs at %s but is nobody's: it is stopped", each.attempt_id, provider.type)
        provider.stop(each, LEFTOVER_GRACE)
    elif state:
        provider.cleanup(each)
    return 1
