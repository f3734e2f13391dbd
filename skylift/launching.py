"""Launching: the calls to the providers, many side by side, and what their answers make of an attempt.

What a provider answers is recorded as it comes: one by one where it is slow, many in one transaction where it is fast.
Who waits for a free thread keeps its lease: it is renewed before it has half run out.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, update

from skylift import faults, templates
from skylift.models.states import StateType, make_state
from skylift.parts import Parts
from skylift.provider import BusyError, Launch, Provider, Rejected, Throttled, Unreachable
from skylift.store import Tx, attempts, runs, timeline
from skylift.store import quota as buckets
from skylift.store.tables import attempts as attempts_table

log = logging.getLogger(__name__)

Refusal = BusyError | Rejected | Unreachable
Answer = str | Refusal | None
"""A handle, or why there is none. None: nothing was sent."""

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
    due_at: dict[UUID, datetime] = field(default_factory=dict)
    """When the run of each claimed attempt was due."""
    waited: list[float] = field(default_factory=list)
    """Seconds from a run's due time until its launch was recorded, of each that was launched."""

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
    lease: float = float("inf")
    """Seconds; how long the lease was when it was given."""


class Launches:
    """Those under way in one dispatch."""

    def __init__(self, parts: Parts, threads: ThreadPoolExecutor) -> None:
        self.parts, self.threads = parts, threads
        self.calls: dict[Future[Answer], Ready] = {}

    def __len__(self) -> int:
        return len(self.calls)

    @property
    def have_room(self) -> bool:
        """Whether none waits for a thread for long."""
        return len(self.calls) <= self.parts.settings.launch_threads

    def begin(self, ready: Iterable[Ready]) -> None:
        """Launch these, as soon as there are threads for them."""
        for each in ready:
            self.calls[self.threads.submit(call, each)] = each

    def settle(self, report: Report, patience: float) -> bool:
        """Record what has been answered. Waits for the first answer, so many seconds at most; False: there was none."""
        done, _ = wait(self.calls, timeout=patience, return_when=FIRST_COMPLETED)
        answers = [(self.calls.pop(each), each.result()) for each in done]
        launched = [(each, answer) for each, answer in answers if isinstance(answer, str)]
        if launched:
            at = self.parts.store.transaction(record, launched)
            known = (report.due_at.get(each.launch.attempt_id) for each, _ in launched)
            report.waited += [(at - due_at).total_seconds() for due_at in known if due_at]
        report.launched += len(launched)
        for each, answer in answers:
            if not isinstance(answer, str):
                report.add(_not_launched(self.parts, each, answer))
        return bool(done)

    def renew(self) -> None:
        """Renew the leases of those that still wait for a thread, where half of them is over."""
        begun = time.monotonic()
        late = [
            future
            for future, ready in self.calls.items()
            if ready.launch.send_before - begun < ready.lease / 2 and future.cancel()
        ]
        waiting = [self.calls.pop(each) for each in late]
        if waiting:
            renewed = self.parts.store.transaction(_renew, waiting)
            self.begin(
                replace(each, launch=replace(each.launch, send_before=begun + each.lease))
                for each in waiting
                if each.launch.attempt_id in renewed
            )


def _renew(tx: Tx, waiting: list[Ready]) -> set[UUID]:
    """Give these their lease once more, from now; says which are still ours and wanted."""
    first = waiting[0]
    lease_until = tx.now + timedelta(seconds=first.lease)
    rows = tx.conn.execute(
        update(attempts_table)
        .where(
            attempts_table.c.id.in_(sorted(each.launch.attempt_id for each in waiting)),
            attempts_table.c.lease_owner == first.owner,
            attempts_table.c.phase == attempts.LAUNCHING,
            attempts_table.c.stop.is_(None),
        )
        .values(lease_until=lease_until, look_at=lease_until + timedelta(seconds=first.provider.call_timeout))
        .returning(attempts_table.c.id)
    )
    return {row.id for row in rows}


def launch(parts: Parts, ready: Ready) -> str:
    """Call the provider and record its answer; says what became of it, as a field of `Report`."""
    answer = call(ready)
    if not isinstance(answer, str):
        return _not_launched(parts, ready, answer)
    parts.store.transaction(record, [(ready, answer)])
    return "launched"


def call(ready: Ready) -> Answer:
    """The provider's answer."""
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


def _not_launched(parts: Parts, ready: Ready, error: Refusal | None) -> str:
    match error:
        case BusyError():
            return parts.store.transaction(_delay, ready, error)
        case Rejected():
            return parts.store.transaction(_refused, ready, error)
        case Unreachable():
            launch = ready.launch
            parts.store.transaction(note_problem, launch.flow_run_id, launch.attempt_id, "unreachable", error)
    return "unknown"


def record(tx: Tx, launched: list[tuple[Ready, str]]) -> datetime:
    """Write down the providers' ids, and say when that was. A runner may have been quicker than this."""
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
    return tx.now


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
    note_problem(tx, attempt.flow_run_id, attempt.id, kind, error)
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
    reject(tx, attempt.id, ready.owner, error)
    return "rejected"


def in_words(error: Refusal) -> str:
    """The error with its remedy, for a state's message."""
    return f"{error}. {error.remedy}" if error.remedy else str(error)


def note_problem(tx: Tx, run_id: UUID, attempt_id: UUID, kind: str, error: Refusal) -> None:
    timeline.note(tx, run_id, kind, str(error), attempt_id=attempt_id, remedy=error.remedy)


def reject(tx: Tx, attempt_id: UUID, owner: UUID, error: Rejected) -> None:
    """It will never work: the run crashes with the reason and the remedy."""
    attempt = runs.lock_attempt(tx, attempt_id)
    if attempt and attempt.lease_owner == owner:
        note_problem(tx, attempt.flow_run_id, attempt_id, "rejected", error)
        runs.finish(tx, attempt, make_state(StateType.CRASHED, tx.now, message=in_words(error)))
