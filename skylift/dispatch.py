"""The verb dispatch: claim a pool's due runs and launch them.

In stages: claim (one transaction), freeze (the rendered request is sealed on each attempt), launch (outside any
transaction, many side by side), record (what the provider said). A crash between any two of them leaves attempts whose
lease runs out; `relaunch` then does the rest with the same frozen request, and the provider's idempotence by the launch
token keeps that from starting anything twice.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Row, update

from skylift import rendering
from skylift.claim import Claimed, claim
from skylift.ids import new_token, token_hash
from skylift.models.states import StateType, make_state
from skylift.parts import Parts
from skylift.provider import BusyError, Launch, Provider, Quota, Rejected, Unreachable
from skylift.registry import Providers
from skylift.rendering import Frozen
from skylift.store import Tx, attempts, pools, runs, timeline
from skylift.store.tables import attempts as attempts_table

log = logging.getLogger(__name__)

FIRST_DELAY, LONGEST_DELAY = 5.0, 300.0
"""Seconds until a launch that was refused for now is tried again; doubled each time, with full jitter."""


@dataclass(slots=True)
class Report:
    """What a dispatch did."""

    claimed: int = 0
    launched: int = 0
    delayed: int = 0
    rejected: int = 0
    unknown: int = 0
    pools: list[str] = field(default_factory=list)

    def add(self, outcome: str) -> None:
        setattr(self, outcome, getattr(self, outcome) + 1)


@dataclass(frozen=True, slots=True)
class Ready:
    """A frozen attempt, about to be launched."""

    launch: Launch
    provider: Provider
    owner: UUID
    calls: int
    """Which launch call of the attempt this is; only at the first one nothing can have been started before."""


def dispatch(parts: Parts, pool_id: UUID, *, until: float = float("inf")) -> Report:
    """Claim and launch until nothing is due or there is no room, or `time.monotonic()` is `until`."""
    report, owner, locks = Report(), uuid4(), frozenset[UUID]()
    with parts.store.reading() as tx:
        pool = pools.find(tx, pool_id)
    if not pool or pool.type not in parts.providers:
        return report  # a pool that workers pull from
    provider = parts.providers.get(pool.type)
    quota = provider.quota(pool.base_job_template.get("job_configuration", {}))
    with ThreadPoolExecutor(parts.settings.launch_threads, "launch") as threads:
        while time.monotonic() < until:
            claimed = _claim(parts, pool_id, owner, quota, locks)
            locks = claimed.lock_first
            report.claimed += len(claimed.attempts)
            ready = _freeze_all(parts, claimed.attempts, owner, report)
            for outcome in threads.map(lambda each: launch(parts, each), ready):
                report.add(outcome)
            if not claimed.more:
                break
    return report


def _claim(parts: Parts, pool_id: UUID, owner: UUID, quota: Quota | None, locks: Iterable[UUID]) -> Claimed:
    return parts.store.transaction(
        claim, pool_id, owner=owner, limit=parts.settings.claim_batch, quota=quota, lock_first=locks
    )


# -- freeze -----------------------------------------------------------------------------------------------------------


def _freeze_all(parts: Parts, attempt_ids: list[UUID], owner: UUID, report: Report) -> list[Ready]:
    rendered: dict[UUID, tuple[Frozen, str]] = {}
    with parts.store.reading() as tx:
        rows = [row for row in (attempts.by_id(tx, attempt_id) for attempt_id in attempt_ids) if row]
        refused: list[tuple[UUID, Rejected]] = []
        for row in rows:
            nonce = new_token()
            try:
                rendered[row.id] = rendering.freeze(parts, tx, row.flow_run_id, row.id, nonce), nonce
            except Rejected as error:
                refused.append((row.id, error))
    for attempt_id, refusal in refused:
        parts.store.transaction(_reject, attempt_id, owner, refusal)
        report.add("rejected")
    sealed = {each: parts.sealer.seal(rendering.as_json(frozen)) for each, (frozen, _) in rendered.items()}
    longest_call = {row.id: parts.providers.get(row.provider_type).call_timeout for row in rows}
    began = time.monotonic()  # before the transaction: were it held up in there, the lease would seem to be longer
    lease_left = parts.store.transaction(_freeze, owner, rendered, sealed, longest_call)
    return [
        _ready(
            parts,
            row.id,
            row.flow_run_id,
            row.provider_type,
            row.claimed_at,
            rendered[row.id][0],
            owner,
            1,
            began + lease_left[row.id],
        )
        for row in rows
        if row.id in lease_left
    ]


def _ready(
    parts: Parts,
    attempt_id: UUID,
    run_id: UUID,
    provider_type: str,
    claimed_at: datetime,
    frozen: Frozen,
    owner: UUID,
    calls: int,
    until: float,
) -> Ready:
    launch = Launch(
        attempt_id=attempt_id,
        flow_run_id=run_id,
        installation_id=parts.store.installation_id,
        claimed_at=claimed_at,
        configuration=frozen.configuration,
        send_before=until,
    )
    return Ready(launch, parts.providers.get(provider_type), owner, calls)


def _freeze(
    tx: Tx,
    owner: UUID,
    rendered: dict[UUID, tuple[Frozen, str]],
    sealed: dict[UUID, str],
    longest_call: dict[UUID, float],
) -> dict[UUID, float]:
    """Seal the requests on those attempts that are still ours and wanted; says what is left of each lease (s)."""
    lease_left: dict[UUID, float] = {}
    for attempt_id, (frozen, nonce) in sorted(rendered.items()):
        row = tx.conn.execute(
            update(attempts_table)
            .where(
                attempts_table.c.id == attempt_id,
                attempts_table.c.lease_owner == owner,
                attempts_table.c.phase == attempts.CLAIMED,
                attempts_table.c.stop.is_(None),
            )
            .values(
                phase=attempts.LAUNCHING,
                request=sealed[attempt_id],
                nonce_hash=token_hash(nonce),
                reports=frozen.terms is not None,
                launch_calls=1,
            )
            .returning(attempts_table.c.flow_run_id, attempts_table.c.lease_until)
        ).first()
        if row:
            lease_left[attempt_id] = (row.lease_until - tx.now).total_seconds()
            healing = row.lease_until + timedelta(seconds=longest_call[attempt_id])
            attempts.change(tx, attempt_id, look_at=healing)
            timeline.note(tx, row.flow_run_id, "rendered", "The launch request is frozen", attempt_id=attempt_id)
    return lease_left


def _reject(tx: Tx, attempt_id: UUID, owner: UUID, error: Rejected) -> None:
    """It will never work: the run crashes with the reason and the remedy."""
    attempt = runs.lock_attempt(tx, attempt_id)
    if attempt and attempt.lease_owner == owner:
        _note_problem(tx, attempt.flow_run_id, attempt_id, "rejected", error)
        runs.finish(tx, attempt, make_state(StateType.CRASHED, tx.now, message=in_words(error)))


def in_words(error: Rejected | BusyError | Unreachable) -> str:
    """The error with its remedy, for a state's message."""
    return f"{error}. {error.remedy}" if error.remedy else str(error)


def _note_problem(tx: Tx, run_id: UUID, attempt_id: UUID, kind: str, error: Rejected | BusyError | Unreachable) -> None:
    timeline.note(tx, run_id, kind, str(error), attempt_id=attempt_id, remedy=error.remedy)


# -- launch and record ------------------------------------------------------------------------------------------------


def launch(parts: Parts, ready: Ready) -> str:
    """Call the provider and record its answer; says what became of it, as a field of `Report`."""
    attempt_id = ready.launch.attempt_id
    if time.monotonic() > ready.launch.send_before:
        return "unknown"  # we were asleep for longer than our lease: whoever has it now goes on
    try:
        handle = ready.provider.launch(ready.launch)
    except BusyError as error:
        return parts.store.transaction(_delay, ready, error)
    except Rejected as error:
        return parts.store.transaction(_refused, ready, error)
    except Unreachable as error:
        parts.store.transaction(_note_problem, ready.launch.flow_run_id, attempt_id, "unreachable", error)
        return "unknown"
    except Exception as error:  # a defect of an adapter must not take the others' launches with it
        log.exception("The provider %s failed at attempt %s", ready.provider.type, attempt_id)
        unknown = Unreachable(f"The provider failed in an unknown way ({type(error).__name__})")
        parts.store.transaction(_note_problem, ready.launch.flow_run_id, attempt_id, "unreachable", unknown)
        return "unknown"
    parts.store.transaction(_record, ready, handle)
    return "launched"


def _record(tx: Tx, ready: Ready, handle: str) -> None:
    """Write down the provider's id. The runner may have been quicker than this."""
    attempt = attempts.lock(tx, ready.launch.attempt_id)
    if not attempt or attempt.launched_at:
        return
    early = attempt.phase == attempts.LAUNCHING
    look_at = tx.now + timedelta(seconds=ready.provider.look_every)
    attempts.change(
        tx,
        attempt.id,
        handle=handle,
        launched_at=tx.now,
        phase=attempts.LAUNCHED if early else attempt.phase,
        look_at=look_at if early and not attempt.stop else attempt.look_at,
    )
    attempts.wake_observe(tx, look_at)
    timeline.note(tx, attempt.flow_run_id, "launched", f"The provider started {handle}", attempt_id=attempt.id)


def _delay(tx: Tx, ready: Ready, error: BusyError) -> str:
    """Refused for now: the run goes back to its queue. That costs neither a user's retry nor one of infrastructure."""
    attempt = runs.lock_attempt(tx, ready.launch.attempt_id)
    if not attempt or attempt.lease_owner != ready.owner:
        return "unknown"
    kind = type(error).__name__.lower()
    _note_problem(tx, attempt.flow_run_id, attempt.id, kind, error)
    if attempt.launch_calls > 1:
        return "unknown"  # an earlier call may have started it after all: observe goes on with it
    delays = runs.by_id(tx, attempt.flow_run_id).launch_delays
    longest = min(LONGEST_DELAY, FIRST_DELAY * 2**delays)
    pause = max(error.retry_after or 0, random.uniform(longest / 2, longest))  # noqa: S311 - jitter is no secret
    runs.launch_again(tx, attempt, in_words(error), pause, launch_delays=delays + 1)
    return "delayed"


def _refused(tx: Tx, ready: Ready, error: Rejected) -> str:
    attempt = runs.lock_attempt(tx, ready.launch.attempt_id)
    if not attempt or attempt.lease_owner != ready.owner:
        return "unknown"
    if attempt.launch_calls > 1:
        attempts.stop_where(tx, attempts_table.c.id == attempt.id, attempts.GAVE_UP, in_words(error))
        return "unknown"
    _reject(tx, attempt.id, ready.owner, error)
    return "rejected"


# -- healing ----------------------------------------------------------------------------------------------------------


def relaunch(parts: Parts, attempt_id: UUID) -> str:
    """Take over an attempt whose lease has run out, and do what its dispatcher left undone."""
    owner = uuid4()
    began = time.monotonic()
    row, lease = parts.store.transaction(_take_over, attempt_id, owner, parts.providers)
    if not row:
        return "unknown"
    if row.phase == attempts.CLAIMED:
        report = Report()
        ready = _freeze_all(parts, [attempt_id], owner, report)
        return launch(parts, ready[0]) if ready else "rejected"
    frozen = rendering.from_json(parts.sealer.open(row.request))
    until = began + min(lease, parts.providers.get(row.provider_type).call_timeout)
    ready_again = _ready(
        parts, row.id, row.flow_run_id, row.provider_type, row.claimed_at, frozen, owner, row.launch_calls, until
    )
    return launch(parts, ready_again)


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
