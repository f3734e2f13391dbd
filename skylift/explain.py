"""Why a run does not start: the first reason that holds, in the order in which a claim looks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Any
from uuid import UUID

from sqlalchemy import Row

from skylift.models.console.waiting import SlotHold, Waiting, WaitKind
from skylift.models.states import StateType
from skylift.registry import Providers
from skylift.store import Tx, attempts, deployment_slots, deployments, due, holders, pools, pull, slots, workers
from skylift.store.quota import Bucket, bucket_of

MOST_HOLDERS = 20
NAMED = 3
"""Holders that the sentence itself names."""


@dataclass
class Place:
    """A pool, and what of it claims look at; each is read when it is first asked for."""

    tx: Tx
    pool: Row[Any]
    providers: Providers

    @cached_property
    def queues(self) -> list[Row[Any]]:
        """The highest priority first."""
        return pools.queues_of(self.tx, self.pool.id)

    @cached_property
    def occupied(self) -> dict[UUID, int]:
        """Slots by queue."""
        return slots.by_queue(self.tx, self.pool)

    @cached_property
    def due(self) -> dict[UUID, int]:
        """Runs whose time has come, by queue."""
        return due.counted(self.tx, self.pool.id)

    @cached_property
    def bucket(self) -> Bucket | None:
        return bucket_of(self.tx, self.pool)

    @cached_property
    def is_served(self) -> bool:
        """Whether somebody takes what is due: we push it, or workers ask for it."""
        if not pull.is_pull(self.pool.type):
            return self.pool.type in self.providers
        polled = any(pull.was_polled(self.tx, queue.last_polled) for queue in self.queues)
        return polled or bool(workers.pools_in_touch(self.tx, [self.pool.id]))

    def room(self, queue: Row[Any]) -> int | None:
        """Slots that pool and queue have left for it; None: any number."""
        free = [
            each.concurrency_limit - used
            for each, used in ((self.pool, sum(self.occupied.values())), (queue, self.occupied.get(queue.id, 0)))
            if each.concurrency_limit is not None
        ]
        return max(0, min(free)) if free else None

    def before(self, queue: Row[Any]) -> int:
        """Due runs in queues of higher priority that may start."""
        higher = [each for each in self.queues if each.priority < queue.priority and not each.is_paused]
        return sum(self.due.get(each.id, 0) for each in higher if self.room(each) != 0)


def waiting(tx: Tx, run: Row[Any], providers: Providers) -> Waiting | None:
    """Why this run has not started; None where it has, or is over."""
    if run.state_type == StateType.PENDING:
        return _on_its_way(tx, run)
    if run.state_type != StateType.SCHEDULED:
        return None
    if not run.work_pool_id:
        return Waiting(kind=WaitKind.NO_POOL, message="It belongs to no work pool, so nothing starts it")
    attempt = attempts.of_run(tx, run.id)
    if attempt:
        return Waiting(
            kind=WaitKind.EARLIER_ATTEMPT,
            message=f"An earlier attempt still holds its slot: {attempt.stop_message or attempt.phase}",
        )
    when = run.next_scheduled_start_time
    if when and when > tx.now:
        return Waiting(kind=WaitKind.NOT_DUE, message=f"Its time has not come: {when.isoformat()}", until=when)
    place = Place(tx, pools.by_id(tx, run.work_pool_id), providers)
    queue = pools.queue_by_id(tx, run.work_queue_id)
    earlier = due.ahead_of(tx, queue.id, when or tx.now, run.id)
    return in_queue(place, queue, run.deployment_id, earlier)


def in_queue(place: Place, queue: Row[Any], deployment_id: UUID | None, earlier: int) -> Waiting:
    """Why a run of this queue does not start whose time has come; `earlier` runs of the queue were due before it."""
    ahead = place.before(queue) + earlier
    found = next(_reasons(place, queue, deployment_id, earlier), None)
    found = found or Waiting(kind=WaitKind.NEXT, message="It is next: the next dispatch takes it")
    return found.model_copy(update={"ahead": ahead})


def _reasons(place: Place, queue: Row[Any], deployment_id: UUID | None, earlier: int) -> Iterator[Waiting]:
    tx, pool = place.tx, place.pool
    if pool.is_paused:
        yield Waiting(kind=WaitKind.POOL_PAUSED, message=f"Work pool {pool.name!r} is paused")
    if queue.is_paused:
        yield Waiting(kind=WaitKind.QUEUE_PAUSED, message=f"Work queue {queue.name!r} is paused")
    if not place.is_served:
        yield _unserved(pool)
    if _is_full(pool, sum(place.occupied.values())):
        found = holders.of_pool(tx, pool, limit=MOST_HOLDERS)
        yield _full(WaitKind.POOL_LIMIT, "Work pool", pool, sum(place.occupied.values()), found)
    if _is_full(queue, place.occupied.get(queue.id, 0)):
        found = holders.of_pool(tx, pool, queue.id, limit=MOST_HOLDERS)
        yield _full(WaitKind.QUEUE_LIMIT, "Work queue", queue, place.occupied.get(queue.id, 0), found)
    yield from _deployment_full(tx, deployment_id)
    yield from _behind(place, queue, earlier)


def _unserved(pool: Row[Any]) -> Waiting:
    if pull.is_pull(pool.type):
        message = f"No worker asks for runs of work pool {pool.name!r}"
    else:
        message = f"Nothing here pushes to work pools of type {pool.type!r}: its provider is not installed"
    return Waiting(kind=WaitKind.NOT_SERVED, message=message)


def _is_full(row: Row[Any], used: int) -> bool:
    return row.concurrency_limit is not None and used >= row.concurrency_limit


def _full(kind: WaitKind, what: str, row: Row[Any], used: int, held_by: Sequence[Row[Any]]) -> Waiting:
    named = ", ".join(f"{each.flow_run_name or 'a deleted run'} ({each.flow_run_id})" for each in held_by[:NAMED])
    more = used - min(len(held_by), NAMED)
    by = f": {named}{f' and {more} more' if more > 0 else ''}" if named else ""
    return Waiting(
        kind=kind,
        message=f"{what} {row.name!r} is at its limit: {used} of {row.concurrency_limit} slots are occupied{by}",
        limit=row.concurrency_limit,
        occupied=used,
        holders=[hold(each) for each in held_by],
    )


def hold(row: Row[Any]) -> SlotHold:
    """Who this is, of a row of `skylift.store.holders`."""
    return SlotHold(
        attempt_id=row.id,
        flow_run_id=row.flow_run_id,
        flow_run_name=row.flow_run_name,
        since=row.claimed_at,
        stopping=row.stop_message,
    )


def _deployment_full(tx: Tx, deployment_id: UUID | None) -> Iterator[Waiting]:
    deployment = deployments.find(tx, deployment_id)
    if not deployment or deployment.concurrency_limit is None:
        return
    used = deployment_slots.occupied(tx, [deployment.id])[deployment.id]
    if _is_full(deployment, used):
        found = holders.of_deployment(tx, deployment.id, MOST_HOLDERS)
        yield _full(WaitKind.DEPLOYMENT_LIMIT, "Deployment", deployment, used, found)


def _behind(place: Place, queue: Row[Any], earlier: int) -> Iterator[Waiting]:
    """Others go first: where what is free is not enough for them all."""
    higher, room, bucket = place.before(queue), place.room(queue), place.bucket
    allowed = [each for each in (room, bucket.left if bucket else None) if each is not None]
    if not allowed or higher + earlier < min(allowed):
        return
    if bucket and not bucket.left:
        yield Waiting(
            kind=WaitKind.QUOTA,
            message=f"Its provider allows {bucket.rate:g} launches a second, and the next one is not allowed yet",
            until=bucket.next_at,
        )
    elif higher:
        yield Waiting(kind=WaitKind.HIGHER_QUEUES, message=f"{higher} runs in queues of higher priority go first")
    elif earlier:
        yield Waiting(kind=WaitKind.EARLIER_RUNS, message=f"{earlier} runs of its queue were due before it")


def _on_its_way(tx: Tx, run: Row[Any]) -> Waiting | None:
    """A run that has a slot, and no word of its own yet. Of a bare command none is to come."""
    attempt = attempts.of_run(tx, run.id)
    if not attempt or attempt.admitted_at:
        return None
    if not attempt.launched_at:
        return Waiting(kind=WaitKind.LAUNCHING, message="It has a slot, and its provider has not answered yet")
    if not attempt.reports:
        return None
    limit = timedelta(seconds=pools.settings_of(pools.by_id(tx, attempt.work_pool_id)).start_timeout)
    return Waiting(
        kind=WaitKind.STARTING,
        message=f"Its provider has started it ({attempt.handle}), and it has not said a word yet",
        until=attempt.launched_at + limit,
    )
