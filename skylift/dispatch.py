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
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Row, update
from sqlalchemy.exc import SQLAlchemyError

from skylift import faults, rendering, templates
from skylift.claim import Claimed, claim
from skylift.ids import new_token, token_hash
from skylift.models.states import StateType, make_state
from skylift.parts import Parts
from skylift.provider import BusyError, Launch, Provider, Quota, Rejected, Throttled, Unreachable
from skylift.registry import Providers
from skylift.rendering import Frozen
from skylift.store import Tx, attempts, pools, runs, timeline
from skylift.store import quota as buckets
from skylift.store.tables import attempts as attempts_table

log = logging.getLogger(__name__)

Refusal = BusyError | Rejected | Unreachable

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
    secrets: tuple[str, ...] = ()
    """What an answer of the provider may echo and nobody may see."""
    bucket: str | None = None
    """The key of the quota that it was claimed under."""


def dispatch(
    parts: Parts, pool_id: UUID, *, until: float = float("inf"), stopped: Callable[[], bool] = lambda: False
) -> Report:
    """Claim and launch until nothing is due or there is no room, `time.monotonic()` is `until`, or it is `stopped`."""
    report, owner, locks = Report(), uuid4(), frozenset[UUID]()
    with parts.store.reading() as tx:
        pool = pools.find(tx, pool_id)
        if not pool or pool.type not in parts.providers:
            return report  # a pool that workers pull from
        configuration = rendering.pool_configuration(parts, tx, pool)
    quota = _quota(parts.providers.get(pool.type), pool, configuration)
    with ThreadPoolExecutor(parts.settings.launch_threads, "launch") as threads:
        while time.monotonic() < until and not stopped():
            claimed = _claim(parts, pool_id, owner, quota, locks)
            locks = claimed.lock_first
            report.claimed += len(claimed.attempts)
            ready = _freeze_all(parts, claimed.attempts, owner, report, quota)
            _launch_all(parts, threads, ready, report)
            if not claimed.more:
                break
    return report


def _quota(provider: Provider, pool: Row[Any], configuration: Mapping[str, Any]) -> Quota | None:
    """What the provider allows, or what the pool's settings say instead; under one key in any case."""
    settings, usual = pools.settings_of(pool), provider.quota(configuration)
    key = (usual and usual.key) or str(pool.id)
    if settings.launch_rate:
        return Quota(settings.launch_rate, settings.launch_burst or max(1, int(settings.launch_rate)), key)
    return usual and replace(usual, key=key)


def _claim(parts: Parts, pool_id: UUID, owner: UUID, quota: Quota | None, locks: Iterable[UUID]) -> Claimed:
    return parts.store.transaction(
        claim, pool_id, owner=owner, limit=parts.settings.claim_batch, quota=quota, lock_first=locks
    )


# -- freeze -----------------------------------------------------------------------------------------------------------


def _freeze_all(
    parts: Parts, attempt_ids: list[UUID], owner: UUID, report: Report, quota: Quota | None = None
) -> list[Ready]:
    if not attempt_ids:
        return []
    rendered: dict[UUID, tuple[Frozen, str]] = {}
    with parts.store.reading() as tx:
        found = attempts.by_ids(tx, attempt_ids)
        origins = rendering.read_origins(tx, [row.flow_run_id for row in found])
        rows = [row for row in found if row.flow_run_id in origins]
        refused: list[tuple[UUID, Rejected]] = []
        for row in rows:
            nonce = new_token()
            try:
                rendered[row.id] = rendering.freeze(parts, tx, origins[row.flow_run_id], row.id, nonce), nonce
            except Rejected as error:
                refused.append((row.id, error))
            except SQLAlchemyError:
                raise
            except Exception as error:  # nothing that one run is made of may hold up the others of its batch
                log.error("Attempt %s could not be rendered: %s", row.id, faults.told(error))
                refused.append((row.id, _unrendered(error)))
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
            quota.key if quota else None,
        )
        for row in rows
        if row.id in lease_left
    ]


def _unrendered(error: Exception) -> Rejected:
    return Rejected(
        f"The launch could not be composed ({type(error).__name__})",
        remedy="See that the job configuration has the right types; the service's log says where it failed",
    )


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
    bucket: str | None = None,
) -> Ready:
    launch = Launch(
        attempt_id=attempt_id,
        flow_run_id=run_id,
        installation_id=parts.store.installation_id,
        claimed_at=claimed_at,
        configuration=frozen.configuration,
        send_before=until,
        secrets=frozenset(frozen.secrets),
    )
    nonce = frozen.configuration["env"].get("SKYLIFT_NONCE")
    secrets = (*frozen.secrets, nonce) if nonce else tuple(frozen.secrets)
    return Ready(launch, parts.providers.get(provider_type), owner, calls, secrets, bucket)


def _freeze(
    tx: Tx,
    owner: UUID,
    rendered: dict[UUID, tuple[Frozen, str]],
    sealed: dict[UUID, str],
    longest_call: dict[UUID, float],
) -> dict[UUID, float]:
    """Seal the requests on those attempts that are still ours and wanted; says what is left of each lease (s)."""
    ours = tx.conn.execute(
        update(attempts_table)
        .where(
            attempts_table.c.id.in_(sorted(rendered)),
            attempts_table.c.lease_owner == owner,
            attempts_table.c.phase == attempts.CLAIMED,
            attempts_table.c.stop.is_(None),
        )
        .values(phase=attempts.LAUNCHING, launch_calls=1)
        .returning(attempts_table.c.id, attempts_table.c.flow_run_id, attempts_table.c.lease_until)
    ).all()
    requests, lines = [], []
    for row in sorted(ours, key=lambda each: each.id):
        frozen, nonce = rendered[row.id]
        requests.append(
            {
                "attempt": row.id,
                "request": sealed[row.id],
                "nonce_hash": token_hash(nonce),
                "reports": frozen.terms is not None,
                "look_at": row.lease_until + timedelta(seconds=longest_call[row.id]),
            }
        )
        lines.append(timeline.entry(tx, row.flow_run_id, "rendered", "The launch request is frozen", attempt_id=row.id))
    attempts.change_many(tx, requests)
    timeline.add(tx, lines)
    return {row.id: (row.lease_until - tx.now).total_seconds() for row in ours}


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


def _launch_all(parts: Parts, threads: ThreadPoolExecutor, ready: list[Ready], report: Report) -> None:
    """Launch side by side. What the providers answer is recorded as it comes: one by one where they are slow, many in
    one transaction where they are fast."""
    calls = {threads.submit(_call, each): each for each in ready}
    while calls:
        done, _ = wait(calls, return_when=FIRST_COMPLETED)
        answers = [(calls.pop(each), each.result()) for each in done]
        launched = [(each, answer) for each, answer in answers if isinstance(answer, str)]
        if launched:
            parts.store.transaction(_record, launched)
        report.launched += len(launched)
        for each, answer in answers:
            if not isinstance(answer, str):
                report.add(_not_launched(parts, each, answer))


def launch(parts: Parts, ready: Ready) -> str:
    """Call the provider and record its answer; says what became of it, as a field of `Report`."""
    answer = _call(ready)
    if not isinstance(answer, str):
        return _not_launched(parts, ready, answer)
    parts.store.transaction(_record, [(ready, answer)])
    return "launched"


def _call(ready: Ready) -> str | BusyError | Rejected | Unreachable | None:
    """The provider's answer: a handle, or why there is none. None: nothing was sent."""
    if time.monotonic() > ready.launch.send_before:
        return None  # we were asleep for longer than our lease: whoever has it now goes on
    try:
        return ready.provider.launch(ready.launch)
    except (BusyError, Rejected, Unreachable) as error:
        return _redacted(error, ready.secrets)
    except Exception as error:  # a defect of an adapter must not take the others' launches with it
        attempt_id = ready.launch.attempt_id
        log.error("The provider %s failed at attempt %s: %s", ready.provider.type, attempt_id, faults.told(error))
        return Unreachable(f"The provider failed in an unknown way ({type(error).__name__})")


def _redacted(error: Refusal, secrets: tuple[str, ...]) -> Refusal:
    error.args = (templates.redact(str(error), secrets),)
    error.remedy = error.remedy and templates.redact(error.remedy, secrets)
    return error


def _not_launched(parts: Parts, ready: Ready, error: BusyError | Rejected | Unreachable | None) -> str:
    match error:
        case BusyError():
            return parts.store.transaction(_delay, ready, error)
        case Rejected():
            return parts.store.transaction(_refused, ready, error)
        case Unreachable():
            launch = ready.launch
            parts.store.transaction(_note_problem, launch.flow_run_id, launch.attempt_id, "unreachable", error)
    return "unknown"


def _record(tx: Tx, launched: list[tuple[Ready, str]]) -> None:
    """Write down the providers' ids. A runner may have been quicker than this."""
    answers = {ready.launch.attempt_id: (ready, handle) for ready, handle in launched}
    changes, lines = [], []
    for attempt in attempts.lock_many(tx, list(answers)):
        if attempt.launched_at:
            continue
        ready, handle = answers[attempt.id]
        early = attempt.phase == attempts.LAUNCHING
        ours = attempt.lease_owner == ready.owner
        look_at = tx.now + timedelta(seconds=ready.provider.look_every)
        changes.append(
            {
                "attempt": attempt.id,
                "handle": handle,
                "launched_at": tx.now,
                "phase": attempts.LAUNCHED if early else attempt.phase,
                "look_at": look_at if early and not attempt.stop else attempt.look_at,
                "lease_until": attempts.lease_given_back(attempt) if ours else attempt.lease_until,
            }
        )
        lines.append(
            timeline.entry(tx, attempt.flow_run_id, "launched", f"The provider started {handle}", attempt_id=attempt.id)
        )
        attempts.wake_observe(tx, look_at)
    attempts.change_many(tx, changes)
    timeline.add(tx, lines)


def _answered(tx: Tx, ready: Ready) -> Row[Any] | None:
    """The attempt, locked, if it is still ours; with the answer here, no launch of it is under way any more."""
    attempt = runs.lock_attempt(tx, ready.launch.attempt_id)
    if not attempt or attempt.lease_owner != ready.owner:
        return None
    attempts.change(tx, attempt.id, lease_until=attempts.lease_given_back(attempt))
    return attempts.by_id(tx, attempt.id)


def _delay(tx: Tx, ready: Ready, error: BusyError) -> str:
    """Refused for now: the run goes back to its queue. That costs neither a user's retry nor one of infrastructure."""
    attempt = _answered(tx, ready)
    if not attempt:
        return "unknown"
    if isinstance(error, Throttled) and ready.bucket:
        buckets.drain(tx, ready.bucket)
    kind = type(error).__name__.lower()
    _note_problem(tx, attempt.flow_run_id, attempt.id, kind, error)
    if attempt.launch_calls > 1:
        return "unknown"  # an earlier call may have started it after all: observe goes on with it
    put_off(tx, attempt, in_words(error), error.retry_after or 0)
    return "delayed"


def put_off(tx: Tx, attempt: Row[Any], message: str, at_least: float = 0) -> None:
    """Nothing was started, for want of room: launch the run again later, each time (s) later than the last."""
    delays = runs.by_id(tx, attempt.flow_run_id).launch_delays
    longest = min(LONGEST_DELAY, FIRST_DELAY * 2 ** min(delays, 10))
    pause = max(at_least, random.uniform(longest / 2, longest))  # noqa: S311 - jitter is no secret
    runs.launch_again(tx, attempt, message, pause, launch_delays=delays + 1)


def _refused(tx: Tx, ready: Ready, error: Rejected) -> str:
    attempt = _answered(tx, ready)
    if not attempt:
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
