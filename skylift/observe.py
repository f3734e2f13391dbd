"""The verb observe: look at the attempts whose time has come, and make true what the provider says.

In stages: heal (a lease has run out: launch again with the frozen request), ask (the providers, in batches, outside any
transaction), apply (one transaction for all that go on, and one each for the others), stop (who is to be stopped, until
the provider says that it is gone). What ended attempts left behind is `cleanup`'s. Every stage may be repeated and may
die at any point.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any
from uuid import UUID

from sqlalchemy import Row, func, select, update

from skylift import endings, faults, templates
from skylift.cleanup import clean_up
from skylift.healing import relaunch
from skylift.looks import Seen, changed_phase, go_on, looked_at, overdue
from skylift.models.pools import PoolSettings
from skylift.output import forward_output
from skylift.parts import Parts
from skylift.provider import Observation, Provider, ProviderError, ReadsEvents
from skylift.store import Tx, attempts, pools, runs, timeline
from skylift.store.ranges import from_first
from skylift.store.tables import attempts as attempts_table
from skylift.store.tables import ended_attempts, work_pools
from skylift.threads import Threads
from skylift.watching import guarded, opened, redacted, watched

log = logging.getLogger(__name__)

BATCH = 200
TAKEN_FOR = timedelta(seconds=10)
"""How long others leave alone what one observer looks at: should it die, they come after that."""
LAST_LINES = 10


def observe(parts: Parts, *, limit: int = 2000) -> int:
    """Look at up to `limit` attempts, then clean up; says how many attempts were looked at."""
    looked = 0
    while looked < limit:
        batch = parts.store.transaction(_take, parts.providers.types, BATCH)
        looked += len(batch)
        for provider_type, group in groupby(sorted(batch, key=_by_type), key=_by_type):
            rows = list(group)
            guarded(provider_type, lambda name=provider_type, rows=rows: _look(parts, parts.providers.get(name), rows))  # type: ignore[misc]
        if len(batch) < BATCH:
            break
    clean_up(parts)
    return looked


def hear(parts: Parts, provider_type: str, event: Mapping[str, Any]) -> int:
    """An event of a cloud came in: look at once at the attempts that it is about. Says how many those are.

    What it says is not believed: events come twice, late and in any order, and the provider knows.
    """
    provider = parts.providers.get(provider_type)
    heard = [each.attempt_id for each in provider.read_event(event)] if isinstance(provider, ReadsEvents) else []
    if heard:

        def look_now(tx: Tx) -> int:
            now = update(attempts_table).where(attempts_table.c.id.in_(sorted(heard)))
            return tx.run(now.values(look_at=tx.now))

        if parts.store.transaction(look_now):
            observe(parts)
    return len(heard)


def _by_type(row: Row[Any]) -> str:
    name: str = row.provider_type
    return name


def next_look(tx: Tx, types: Iterable[str] | None = None) -> datetime | None:
    """When the next attempt (of these types of pools) wants to be looked at, or to be cleaned up."""
    times = []
    for table, column in ((attempts_table, attempts_table.c.look_at), (ended_attempts, ended_attempts.c.cleanup_at)):
        query = select(func.min(column))
        if types is not None:
            query = query.where(table.c.provider_type.in_(list(types)))
        times.append(tx.conn.execute(query).scalar_one_or_none())
    return min((time for time in times if time), default=None)


def _take(tx: Tx, types: list[str], limit: int) -> list[Row[Any]]:
    """Attempts whose time has come and that nobody else has taken just now; others leave them alone for a moment.

    Those of providers that are not installed here are left to a process that has them.
    """
    rows = tx.all(
        select(attempts_table.c.id)
        .where(
            attempts_table.c.look_at <= tx.now,
            from_first(attempts_table.c.look_at),
            attempts_table.c.provider_type.in_(types),
        )
        .order_by(attempts_table.c.look_at)
        .limit(limit)
    )
    if not rows:
        return []
    taken = tx.conn.execute(
        update(attempts_table)
        .where(attempts_table.c.id.in_(sorted(row.id for row in rows)), attempts_table.c.look_at <= tx.now)
        .values(look_at=tx.now + TAKEN_FOR)
        .returning(*attempts_table.c)
    )
    return sorted(taken, key=lambda row: row.id)


def _look(parts: Parts, provider: Provider, rows: list[Row[Any]]) -> None:
    with parts.store.reading() as tx:
        settings = {
            row.id: pools.settings_of(row)
            for row in tx.all(select(work_pools).where(work_pools.c.id.in_({row.work_pool_id for row in rows})))
        }
        now = tx.now
    asked: list[Row[Any]] = []
    healed: list[Row[Any]] = []
    for row in rows:
        launching = row.phase in (attempts.CLAIMED, attempts.LAUNCHING)
        if launching and not row.stop and row.lease_until <= now:
            healed.append(row)
        elif row.stop and not row.launch_calls:
            guarded(row.id, lambda row=row: parts.store.transaction(_never_launched, row.id))  # type: ignore[misc]
        elif not launching or row.stop:
            # While a launch may be under way, only after a stop is "gone" the last word.
            first_stop = row.stop and not row.launched_at
            if not first_stop or guarded(row.id, lambda row=row: provider.stop(watched(parts, row), 0.0)):  # type: ignore[misc]
                asked.append(row)
    if healed:  # side by side: each may take as long as a launch
        with Threads(parts.settings.launch_threads, "heal") as threads:
            list(
                threads.map(lambda row: _heal(parts, row, settings.get(row.work_pool_id, PoolSettings()), now), healed)
            )
    answers = _ask(parts, provider, asked)
    seen = [Seen(row, answers.get(row.id), settings.get(row.work_pool_id, PoolSettings())) for row in asked]
    # Of those that do not report, there is output to be forwarded first.
    running = [each for each in seen if each.attempt.reports and not each.is_over]
    done: set[UUID] = set()
    if running:
        guarded(provider.type, lambda: done.update(parts.store.transaction(go_on, running, provider)))
    for each in seen:
        if each.attempt.id not in done:
            guarded(each.attempt.id, lambda each=each: _follow(parts, provider, each))  # type: ignore[misc]


def _heal(parts: Parts, row: Row[Any], settings: PoolSettings, now: datetime) -> None:
    waited_long = now > row.claimed_at + timedelta(seconds=settings.submit_timeout)
    if waited_long and row.phase == attempts.LAUNCHING:
        message = f"The provider gave no answer within {settings.submit_timeout:g} s"
        parts.store.transaction(attempts.stop_where, attempts_table.c.id == row.id, attempts.GAVE_UP, message)
    else:
        guarded(row.id, lambda: log.info("Attempt %s healed: %s", row.id, relaunch(parts, row.id)))


def _never_launched(tx: Tx, attempt_id: UUID) -> None:
    """Stopped before any call was made: nothing has to be asked."""
    attempt = runs.lock_attempt(tx, attempt_id)
    if attempt and attempt.stop and not attempt.launch_calls:
        runs.finish(tx, attempt, endings.stopped(tx, attempt))


def _ask(parts: Parts, provider: Provider, rows: list[Row[Any]]) -> dict[UUID, Observation]:
    if not rows:
        return {}
    try:
        answers = dict(provider.status([watched(parts, row) for row in rows]))
    except ProviderError as error:
        log.warning("%s could not be asked: %s", provider.type, error)
        return {}
    except Exception as error:  # a defect of an adapter: whichever it is about, the others are asked alone
        log.error("%s could not be asked: %s", provider.type, faults.told(error))
        return (
            {} if len(rows) == 1 else {key: each for row in rows for key, each in _ask(parts, provider, [row]).items()}
        )
    return {row.id: redacted(parts, row, answers[row.id]) for row in rows if row.id in answers}


# -- apply ------------------------------------------------------------------------------------------------------------


def _follow(parts: Parts, provider: Provider, seen: Seen) -> None:
    if not seen.attempt.reports and seen.observation:
        # Whatever is wrong with its output, its end counts.
        guarded(seen.attempt.id, lambda: forward_output(parts, provider, seen.attempt, attempts_table))
    tail = _tail(parts, provider, seen) if seen.is_over else []
    stopping = parts.store.transaction(_apply, seen, provider, tail)
    if stopping:
        provider.stop(watched(parts, seen.attempt), seen.settings.cancel_grace)


def _tail(parts: Parts, provider: Provider, seen: Seen) -> list[str]:
    """The provider's last lines, for runs that never said a word of their own."""
    if not seen.attempt.reports or seen.attempt.admitted_at or seen.attempt.stop:
        return []
    found: list[str] = []
    guarded(seen.attempt.id, lambda: found.extend(provider.logs(watched(parts, seen.attempt), LAST_LINES)))
    frozen = opened(parts, seen.attempt)
    return [templates.redact(line, frozen.secrets) for line in found] if frozen else found


def _apply(tx: Tx, seen: Seen, provider: Provider, tail: list[str]) -> bool:
    """Make true what was seen; says whether the provider is to be asked to stop it now."""
    attempt = runs.lock_attempt(tx, seen.attempt.id)
    if not attempt:
        return False
    observation = seen.observation
    if observation and observation.phase == "gone" and _may_yet_start(tx, attempt, provider):
        observation = None
    if observation and observation.phase in ("ended", "gone"):
        endings.settle(tx, attempt, observation, seen.settings, tail)
        return False
    timeline.add(tx, changed_phase(tx, attempt, observation))
    if not attempt.stop:
        attempt = _check_times(tx, attempt, seen.settings)
    changes = looked_at(tx.now, attempt, replace(seen, observation=observation), provider)
    attempts.change(tx, attempt.id, **changes)
    attempts.wake_observe(tx, changes["look_at"])
    return _stop_now(tx.now, attempt, provider, seen.settings)


def _may_yet_start(tx: Tx, attempt: Row[Any], provider: Provider) -> bool:
    """Whether a launch that was under way when the attempt was stopped may reach its provider after all."""
    if provider.remembers_stops or attempt.handle or attempt.instance:
        return False
    under_way = bool(attempt.lease_until > attempt.claimed_at)
    return under_way and bool(tx.now < attempt.lease_until + timedelta(seconds=provider.call_timeout))


def _check_times(tx: Tx, attempt: Row[Any], settings: PoolSettings) -> Row[Any]:
    """Give up what takes too long."""
    message = overdue(tx.now, attempt, settings)
    if message:
        timeline.note(tx, attempt.flow_run_id, "gave up", message, attempt_id=attempt.id)
        attempts.stop_where(tx, attempts_table.c.id == attempt.id, attempts.GAVE_UP, message)
        return attempts.by_id(tx, attempt.id) or attempt
    return attempt


def _stop_now(now: datetime, attempt: Row[Any], provider: Provider, settings: PoolSettings) -> bool:
    """A run that hears us gets its grace before the provider is asked, unless the provider asks softly itself."""
    if not attempt.stop:
        return False
    hears_us = attempt.admitted_at and attempt.stop == attempts.CANCELLED
    if hears_us and not provider.stops_softly:
        return bool(now >= attempt.stop_at + timedelta(seconds=settings.cancel_grace))
    return True
