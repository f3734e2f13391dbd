"""The verb dispatch: claim a pool's due runs and launch them.

In stages: claim (one transaction), freeze (the rendered request is sealed on each attempt), launch (outside any
transaction, many side by side), record (what the provider said). A crash between any two of them leaves attempts whose
lease runs out; `healing` then does the rest with the same frozen request, and the provider's idempotence by the launch
token keeps that from starting anything twice.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Row

from skylift import rendering
from skylift.claim import Claimed, claim
from skylift.freezing import freeze_all
from skylift.launching import Launches, Report
from skylift.parts import Parts
from skylift.provider import Provider, Quota
from skylift.store import due, pools
from skylift.threads import Threads

BREATH = 1.0
"""Seconds that slow launches may keep their dispatch from looking for what has become due meanwhile."""


def dispatch(
    parts: Parts, pool_id: UUID, *, until: float = float("inf"), stopped: Callable[[], bool] = lambda: False
) -> Report:
    """Claim and launch until nothing is due or there is no room, `time.monotonic()` is `until`, or it is `stopped`;
    then only what is under way is waited for."""
    report, owner, locks = Report(), uuid4(), frozenset[UUID]()
    with parts.store.reading() as tx:
        pool = pools.find(tx, pool_id)
        if not pool or pool.type not in parts.providers:
            return report  # a pool that workers pull from
        configuration = rendering.pool_configuration(parts, tx, pool)
        has_come = pool.wakeup_at and pool.wakeup_at <= tx.now
    if has_come:
        # Before the first claim looks, and committed: what is written after that brings a wakeup of its own.
        parts.store.transaction(due.take_wakeup, pool_id)
    quota = _quota(parts.providers.get(pool.type), pool, configuration)
    more = True
    with Threads(parts.settings.launch_threads, "launch") as threads:
        launches = Launches(parts, threads)
        while more or launches:
            more = more and time.monotonic() < until and not stopped()
            if more and launches.have_room:
                limit = max(1, parts.settings.claim_batch - len(launches))
                claimed = _claim(parts, pool_id, owner, quota, locks, limit)
                more, locks = claimed.more, claimed.lock_first
                report.claimed += len(claimed.attempts)
                report.due_at |= claimed.due_at
                launches.begin(freeze_all(parts, claimed.attempts, owner, report, quota))
            if launches and not (more and launches.have_room):
                is_slow = not launches.settle(report, BREATH)
                launches.renew()
                more = more or is_slow
    return report


def _quota(provider: Provider, pool: Row[Any], configuration: Mapping[str, Any]) -> Quota | None:
    """What the provider allows, or what the pool's settings say instead; under one key in any case."""
    settings, usual = pools.settings_of(pool), provider.quota(configuration)
    key = (usual and usual.key) or str(pool.id)
    if settings.launch_rate:
        return Quota(settings.launch_rate, settings.launch_burst or max(1, int(settings.launch_rate)), key)
    return usual and replace(usual, key=key)


def _claim(parts: Parts, pool_id: UUID, owner: UUID, quota: Quota | None, locks: Iterable[UUID], limit: int) -> Claimed:
    return parts.store.transaction(claim, pool_id, owner=owner, limit=limit, quota=quota, lock_first=locks)
