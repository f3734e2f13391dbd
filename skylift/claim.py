"""The claim: one transaction that turns a pool's due runs into attempts.

The pool's row is updated first, which makes claimers of one pool queue up under any isolation level (a locking read
does not: two claimers on a snapshot both pass). What the provider's quota or a limit has no room for stays as it was.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Row, case, insert, select, update

from skylift.models.flows import CollisionStrategy
from skylift.models.states import StateType, make_state
from skylift.provider import Quota
from skylift.store import attempts, deployment_slots, due, runs, timeline
from skylift.store.candidates import candidates
from skylift.store.engine import TryAgainError, Tx
from skylift.store.inserts import insert_if_new
from skylift.store.pools import settings_of
from skylift.store.tables import attempts as attempts_table
from skylift.store.tables import (
    deployments,
    flow_run_states,
    flow_runs,
    quota_buckets,
    work_pools,
    work_queues,
)
from skylift.store.tables import due as due_table

UNLIMITED = 1_000_000_000
MOST_CANCELLED = 100
"""Runs that one claim cancels for the rule of their deployment: the pool is locked meanwhile."""


@dataclass(slots=True)
class Claimed:
    """What a claim brought."""

    attempts: list[UUID] = field(default_factory=list)
    due_at: dict[UUID, datetime] = field(default_factory=dict)
    """When the run of each attempt was due."""
    more: bool = False
    """Whether another claim may bring more at once."""
    lock_first: frozenset[UUID] = frozenset()
    """Deployments that the next claim must lock before it begins, to keep the order of locks."""


def claim(
    tx: Tx,
    pool_id: UUID,
    *,
    owner: UUID,
    limit: int,
    quota: Quota | None = None,
    lock_first: Iterable[UUID] = (),
) -> Claimed:
    """Claim up to `limit` due runs of the pool, by queue priority, then due time. `owner` gets their leases."""
    bucket_key = (quota.key or str(pool_id)) if quota else None
    pool = tx.conn.execute(
        update(work_pools)
        .where(work_pools.c.id == pool_id)
        .values(claims=work_pools.c.claims + 1, quota_key=bucket_key)
        .returning(*work_pools.c)
    ).first()
    if not pool or pool.is_paused:
        return Claimed()
    bucket = _Bucket.open(tx, pool.quota_key, quota) if quota else None
    occupied = attempts.occupied_by_queue(tx, pool_id)
    free = _room(pool.concurrency_limit, sum(occupied.values()))
    tokens = bucket.whole_tokens if bucket else UNLIMITED
    room = min(limit, free, tokens)
    gate = _DeploymentGate(tx, lock_first)
    taken: list[Row[Any]] = []
    complete = _take(tx, pool_id, room, occupied, gate, taken) if room > 0 else True
    due_at = _make_attempts(tx, pool, owner, taken)
    made = list(due_at)
    if bucket:
        bucket.spend(tx, len(made))
    claimed = Claimed(made, due_at, lock_first=frozenset(gate.wanted))
    claimed.more = not complete or len(made) == limit or len(made) < len(taken)
    took_all_tokens = room == tokens < min(limit, free) and len(taken) == room
    _plan_next(tx, pool, bucket, stopped_by_quota=took_all_tokens)
    return claimed


def _room(limit: int | None, occupied: int) -> int:
    return UNLIMITED if limit is None else max(0, limit - occupied)


def _take(
    tx: Tx,
    pool_id: UUID,
    room: int,
    occupied: dict[UUID, int],
    gate: _DeploymentGate,
    taken: list[Row[Any]],
) -> bool:
    """Fill `taken` in waterfall order. False where it had to stop early, for a lock or for having cancelled so many;
    what is taken is then a prefix."""
    queues = tx.all(
        select(work_queues)
        .where(work_queues.c.work_pool_id == pool_id, work_queues.c.is_paused.is_(False))
        .order_by(work_queues.c.priority)
    )
    for queue in queues:
        queue_room = _room(queue.concurrency_limit, occupied.get(queue.id, 0))
        seen: set[UUID] = set()
        while (space := min(queue_room, room - len(taken))) > 0:
            asked = space + len(seen)
            found = candidates(tx, queue.id, asked, gate.full)
            rows = [row for row in found if row.flow_run_id not in seen]
            if not rows:
                break
            if not gate.lock_for(rows):
                return False
            for row in rows:
                if not space or gate.cancelled >= MOST_CANCELLED:
                    break
                seen.add(row.flow_run_id)
                if gate.admits(row):
                    taken.append(row)
                    queue_room -= 1
                    space -= 1
            if gate.cancelled >= MOST_CANCELLED:
                return False
            if len(found) < asked:
                break  # the queue has no more
        if len(taken) >= room:
            break
    return True


class _DeploymentGate:
    """Limits of deployments. Their rows are locked in the order of their ids: two pools may share deployments."""

    def __init__(self, tx: Tx, lock_first: Iterable[UUID]) -> None:
        self.tx = tx
        self.free: dict[UUID, int] = {}
        self.full: set[UUID] = set()
        self.strategy: dict[UUID, str | None] = {}
        self.unlimited: set[UUID] = set()
        self.wanted: set[UUID] = set(lock_first)
        self.cancelled = 0
        self._lock(sorted(self.wanted))

    def lock_for(self, rows: list[Row[Any]]) -> bool:
        """Lock the limited deployments of these rows. False where that would break the order of locks."""
        unknown = {row.deployment_id for row in rows if row.deployment_id} - self.unlimited - set(self.free)
        if not unknown:
            return True
        limited = {
            row.id
            for row in self.tx.all(
                select(deployments.c.id).where(
                    deployments.c.id.in_(unknown), deployments.c.concurrency_limit.is_not(None)
                )
            )
        }
        self.unlimited |= unknown - limited
        if limited and self.free and min(limited) < max(self.free):
            self.wanted = limited | set(self.free)
            return False
        self._lock(sorted(limited))
        return True

    def _lock(self, ids: list[UUID]) -> None:
        for deployment_id in ids:
            row = self.tx.conn.execute(
                update(deployments)
                .where(deployments.c.id == deployment_id)
                .values(claims=deployments.c.claims + 1)
                .returning(deployments.c.concurrency_limit, deployments.c.collision_strategy)
            ).first()
            limit = row.concurrency_limit if row else None
            self.free[deployment_id] = UNLIMITED if limit is None else limit
            self.strategy[deployment_id] = row.collision_strategy if row else None
        for deployment_id, count in deployment_slots.occupied(self.tx, ids).items():
            self.free[deployment_id] -= count
        self.full |= {i for i in ids if self.free[i] <= 0 and not self._cancels(i)}

    def _cancels(self, deployment_id: UUID) -> bool:
        return self.strategy[deployment_id] == CollisionStrategy.CANCEL_NEW

    def admits(self, row: Row[Any]) -> bool:
        """Whether the deployment has room for this run; takes that room. Cancels the run where that is its rule."""
        if row.deployment_id not in self.free:
            return True
        if self.free[row.deployment_id] > 0:
            self.free[row.deployment_id] -= 1
            if self.free[row.deployment_id] == 0 and not self._cancels(row.deployment_id):
                self.full.add(row.deployment_id)
            return True
        if self._cancels(row.deployment_id):
            run = runs.lock(self.tx, row.flow_run_id)
            message = "The deployment's concurrency limit is reached, and its rule is to cancel new runs"
            runs.enter(self.tx, run, make_state(StateType.CANCELLED, self.tx.now, message=message))
            self.cancelled += 1
        return False


def _make_attempts(tx: Tx, pool: Row[Any], owner: UUID, taken: list[Row[Any]]) -> dict[UUID, datetime]:
    """Write the attempts of those runs that are still scheduled, in the order they were taken; with their due times."""
    if not taken:
        return {}
    pending = {
        row.flow_run_id: make_state(StateType.PENDING, tx.now, scheduled_time=row.due_at)
        for row in sorted(taken, key=lambda row: row.flow_run_id)
    }
    state_ids = {run_id: state.id for run_id, state in pending.items()}
    locked = tx.conn.execute(
        update(flow_runs)
        .where(
            flow_runs.c.id.in_(list(pending)),
            flow_runs.c.state_type == str(StateType.SCHEDULED),
            flow_runs.c.next_scheduled_start_time <= tx.now,
        )
        .values(
            updated=tx.now,
            state_id=case(state_ids, value=flow_runs.c.id),
            state_type=str(StateType.PENDING),
            state_name="Pending",
            state_timestamp=tx.now,
            next_scheduled_start_time=None,
        )
        .returning(flow_runs.c.id)
    ).all()
    scheduled = {row.id for row in locked}
    rows = [row for row in taken if row.flow_run_id in scheduled]
    lease = tx.now + timedelta(seconds=settings_of(pool).lease)
    made, states, lines = [], [], []
    for row in rows:
        run_id, attempt_id = row.flow_run_id, uuid4()
        states.append(runs.state_row(run_id, pending[run_id]))
        made.append(_new_attempt(tx, pool, row, attempt_id, owner, lease))
        waited = (tx.now - row.due_at).total_seconds()
        lines.append(
            timeline.entry(
                tx, run_id, "claimed", f"A slot was taken {waited:.3f} s after the due time", attempt_id=attempt_id
            )
        )
    due.remove(tx, scheduled)
    tx.run(insert(attempts_table), made)
    tx.run(insert(flow_run_states), states)
    timeline.add(tx, lines)
    return {attempt["id"]: row.due_at for attempt, row in zip(made, rows, strict=True)}


def _new_attempt(
    tx: Tx, pool: Row[Any], row: Row[Any], attempt_id: UUID, owner: UUID, lease: datetime
) -> dict[str, Any]:
    return {
        "id": attempt_id,
        "flow_run_id": row.flow_run_id,
        "work_pool_id": pool.id,
        "work_queue_id": row.work_queue_id,
        "deployment_id": row.deployment_id,
        "provider_type": pool.type,
        "phase": attempts.CLAIMED,
        "claimed_at": tx.now,
        "lease_owner": owner,
        "lease_until": lease,
        "look_at": lease,
        "launch_calls": 0,
        "reports": True,
        "output_offset": 0,
    }


def _plan_next(tx: Tx, pool: Row[Any], bucket: _Bucket | None, *, stopped_by_quota: bool) -> None:
    """Leave a wakeup for the next due run that no freed slot will wake us for."""
    upcoming = tx.conn.execute(
        select(due_table.c.due_at)
        .where(due_table.c.work_pool_id == pool.id, due_table.c.due_at > tx.now)
        .order_by(due_table.c.due_at)
        .limit(1)
    ).scalar()
    times = [upcoming] if upcoming else []
    if stopped_by_quota and bucket:
        times.append(bucket.next_token_at(tx.now))
    if times:
        due.wake_pool(tx, pool.id, min(times))


class _Bucket:
    """A provider's quota as a token bucket in the store, shared by the pools of one quota key."""

    def __init__(self, key: str, tokens: float, quota: Quota) -> None:
        self.key, self.tokens, self.quota = key, tokens, quota

    @classmethod
    def open(cls, tx: Tx, key: str, quota: Quota) -> _Bucket:
        """Lock the bucket and fill in what has come since."""
        row = tx.conn.execute(
            update(quota_buckets)
            .where(quota_buckets.c.key == key)
            .values(tokens=quota_buckets.c.tokens)
            .returning(quota_buckets.c.tokens, quota_buckets.c.filled_at)
        ).first()
        if not row:
            full = {"key": key, "tokens": quota.burst, "filled_at": tx.now, "rate": quota.rate, "burst": quota.burst}
            if not insert_if_new(tx, quota_buckets, full):
                raise TryAgainError("Another pool's claim has just made the bucket that they share")
            return cls(key, quota.burst, quota)
        since = max(0.0, (tx.now - row.filled_at).total_seconds())
        return cls(key, min(quota.burst, row.tokens + since * quota.rate), quota)

    @property
    def whole_tokens(self) -> int:
        return int(self.tokens + 1e-9)

    def next_token_at(self, now: datetime) -> datetime:
        """When the next whole token will be there."""
        return now + timedelta(seconds=max(0.001, 1 - self.tokens % 1) / self.quota.rate)

    def spend(self, tx: Tx, count: int) -> None:
        self.tokens -= count
        known = {"rate": self.quota.rate, "burst": self.quota.burst}
        tx.run(
            update(quota_buckets)
            .where(quota_buckets.c.key == self.key)
            .values(tokens=self.tokens, filled_at=tx.now, **known)
        )
