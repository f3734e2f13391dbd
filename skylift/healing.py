"""Healing: an attempt whose dispatcher's lease has run out is taken over, and launched with the same frozen request."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Row

from skylift import rendering
from skylift.freezing import freeze_all, ready_for
from skylift.launching import Report, launch
from skylift.parts import Parts
from skylift.registry import Providers
from skylift.store import Tx, attempts, pools, timeline


def relaunch(parts: Parts, attempt_id: UUID) -> str:
    """Take over an attempt whose lease has run out, and do what its dispatcher left undone."""
    owner = uuid4()
    began = time.monotonic()
    row, lease = parts.store.transaction(_take_over, attempt_id, owner, parts.providers)
    if not row:
        return "unknown"
    if row.phase == attempts.CLAIMED:
        report = Report()
        ready = freeze_all(parts, [attempt_id], owner, report)
        return launch(parts, ready[0]) if ready else "rejected"
    frozen = rendering.from_json(parts.sealer.open(row.request))
    until = began + min(lease, parts.providers.get(row.provider_type).call_timeout)
    return launch(parts, ready_for(parts, row, frozen, owner, row.launch_calls, until))


def _take_over(tx: Tx, attempt_id: UUID, owner: UUID, providers: Providers) -> tuple[Row[Any] | None, float]:
    """The attempt as it is now, if it was to be had, and the seconds of its new lease."""
    attempt = attempts.lock(tx, attempt_id)
    if not attempt or attempt.stop or attempt.lease_until > tx.now:
        return None, 0
    if attempt.phase not in (attempts.CLAIMED, attempts.LAUNCHING):
        return None, 0
    lease = pools.settings_of(pools.by_id(tx, attempt.work_pool_id)).lease
    lease_until = tx.now + timedelta(seconds=lease)
    attempts.change(
        tx,
        attempt_id,
        lease_owner=owner,
        lease_until=lease_until,
        look_at=lease_until + timedelta(seconds=providers.get(attempt.provider_type).call_timeout),
        launch_calls=attempt.launch_calls + (attempt.phase == attempts.LAUNCHING),
    )
    timeline.note(
        tx, attempt.flow_run_id, "healed", "The dispatcher's lease ran out; another took over", attempt_id=attempt_id
    )
    return attempts.by_id(tx, attempt_id), lease
