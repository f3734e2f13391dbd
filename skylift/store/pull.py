"""Pools that workers pull from, and deployments that a process of the user's serves: which runs are theirs to take, and
the slots that such runs hold. Nothing makes attempts there: whoever sets a run Pending has taken it.

- Slots of a pool or queue are held by the runs in it that are Pending or Running.
- Slots of a deployment are held by leases (`deployment_slots`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, Text, bindparam, delete, func, select, type_coerce, update

from skylift.models.flows import CollisionStrategy
from skylift.models.states import State, StateCreate, StateType, make_state
from skylift.store import deployment_slots
from skylift.store.deployment_slots import FIRST_LEASE
from skylift.store.engine import Tx
from skylift.store.inserts import insert_if_new
from skylift.store.tables import (
    deployment_polls,
    deployments,
    due,
    flow_runs,
    work_pools,
    work_queues,
)
from skylift.transitions import Abort, Accept, Reject, Verdict

PUSHED = (":push", ":managed")
HOLDING = (str(StateType.PENDING), str(StateType.RUNNING))
"""States in which a run holds a slot of its pool and queue."""
POLL_SILENCE = timedelta(seconds=60)
"""After so long without being asked for runs a queue or deployment is not ready."""
POLLS_NOTED = timedelta(seconds=5)
"""How exactly the time of the last poll is kept."""
POLLS_KEPT = timedelta(days=1)
SLOT_WAIT = timedelta(seconds=30)
"""After which a run that found no slot of its deployment is offered again."""


def is_pull(pool_type: str) -> bool:
    """Whether workers pull from pools of this type. Clients tell by the name as well."""
    return not pool_type.endswith(PUSHED)


# -- what there is to take --------------------------------------------------------------------------------------------


def occupied(tx: Tx, pool_id: UUID) -> dict[UUID, int]:
    """How many slots each queue of the pool occupies."""
    rows = tx.all(
        select(flow_runs.c.work_queue_id, func.count().label("slots"))
        .where(flow_runs.c.work_pool_id == pool_id, flow_runs.c.state_type.in_(HOLDING))
        .group_by(flow_runs.c.work_queue_id)
    )
    return {row.work_queue_id: row.slots for row in rows}


def scheduled(
    tx: Tx,
    pool: Row[Any],
    queues: Sequence[Row[Any]],
    *,
    before: datetime | None = None,
    after: datetime | None = None,
    limit: int = 200,
) -> list[Row[Any]]:
    """Runs that a worker may take: of these queues, in the order of their priorities, then of due times; no more than
    pool and queues have slots for. Reading takes nothing."""
    if pool.is_paused:
        return []
    is_limited = any(row.concurrency_limit is not None for row in (pool, *queues))
    used = occupied(tx, pool.id) if is_limited else {}
    room = min(limit, _room(pool, sum(used.values())))
    found: list[Row[Any]] = []
    for queue in sorted(queues, key=lambda row: row.priority):
        space = min(room - len(found), _room(queue, used.get(queue.id, 0)))
        if space > 0 and not queue.is_paused:
            found += tx.all(_in_queue(queue.id, before, after).limit(space))
    return found


def _room(limited: Row[Any], used: int) -> int:
    return 1_000_000_000 if limited.concurrency_limit is None else max(0, limited.concurrency_limit - used)


def _in_queue(queue_id: UUID, before: datetime | None, after: datetime | None) -> Select[Any]:
    query = (
        select(flow_runs)
        .join(due, due.c.flow_run_id == flow_runs.c.id)
        .where(due.c.work_queue_id == queue_id, _is_free())
        .order_by(due.c.due_at, due.c.flow_run_id)
    )
    if before:
        query = query.where(due.c.due_at <= before)
    return query.where(due.c.due_at >= after) if after else query


def _is_free() -> ColumnElement[bool]:
    """No process that is still there waits to run it once more itself."""
    policy = type_coerce(flow_runs.c.empirical_policy, Text)
    return policy.not_like('%"retry!_type":"in!_process"%', escape="!")


def of_deployments(tx: Tx, ids: Sequence[UUID], before: datetime | None, limit: int) -> list[Row[Any]]:
    """Runs of these deployments that wait to be started, the earliest first."""
    query = (
        select(flow_runs)
        .where(
            flow_runs.c.deployment_id.in_(ids),
            flow_runs.c.state_type == str(StateType.SCHEDULED),
            flow_runs.c.next_scheduled_start_time.is_not(None),
            _is_free(),
        )
        .order_by(flow_runs.c.next_scheduled_start_time, flow_runs.c.id)
        .limit(limit)
    )
    return tx.all(query.where(flow_runs.c.next_scheduled_start_time <= before) if before else query)


# -- who asks ---------------------------------------------------------------------------------------------------------


def was_polled(tx: Tx, at: datetime | None) -> bool:
    """Whether this time of a last poll is recent."""
    return at is not None and tx.now - at < POLL_SILENCE


def unnoted(tx: Tx, queues: Iterable[Row[Any]]) -> list[UUID]:
    """Queues whose time of the last poll is to be written anew."""
    return sorted(row.id for row in queues if row.last_polled is None or tx.now - row.last_polled >= POLLS_NOTED)


def note_polls(tx: Tx, queue_ids: Iterable[UUID]) -> None:
    """Somebody asked for runs of these queues."""
    for queue_id in queue_ids:
        tx.run(update(work_queues).where(work_queues.c.id == queue_id).values(last_polled=tx.now))


def unnoted_deployments(tx: Tx, ids: Iterable[UUID]) -> list[UUID]:
    """Deployments that there are, and whose time of the last poll is to be written anew."""
    recent = select(deployment_polls.c.deployment_id).where(deployment_polls.c.last_polled > tx.now - POLLS_NOTED)
    known = select(deployments.c.id).where(deployments.c.id.in_(list(ids)), deployments.c.id.not_in(recent))
    return sorted(row.id for row in tx.all(known))


def note_deployment_polls(tx: Tx, ids: Iterable[UUID]) -> None:
    """A process serves these deployments."""
    for deployment_id in ids:
        this = deployment_polls.c.deployment_id == deployment_id
        if not tx.run(update(deployment_polls).where(this).values(last_polled=tx.now)):
            tx.run(delete(deployment_polls).where(deployment_polls.c.last_polled < tx.now - POLLS_KEPT))
            insert_if_new(tx, deployment_polls, {"deployment_id": deployment_id, "last_polled": tx.now})


# -- taking a run -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Gate:
    """What must have room before a run may be taken, locked."""

    tx: Tx
    pool: Row[Any] | None = None
    deployment: Row[Any] | None = None
    """Only one that has a limit."""

    def hold(self, run: Row[Any], current: State, verdict: Verdict) -> Verdict:
        """The verdict, unless there is no slot for it. Call with the run locked, before anything is written."""
        new = getattr(verdict, "state", None)
        if not isinstance(verdict, Accept) or new is None:
            return verdict
        if new.type is StateType.PENDING and str(current.type) not in HOLDING:
            return self._pool_full(run) or self._take_deployment(run, verdict)
        if current.is_terminal or new.type is StateType.SCHEDULED:
            deployment_slots.drop(self.tx, run)  # it begins again, and asks for a slot again
            return verdict
        deployment_slots.carry(current, new)
        if current.type is StateType.PENDING and new.type is StateType.RUNNING:
            return self._keep_deployment(run, verdict)
        return verdict

    def _pool_full(self, run: Row[Any]) -> Reject | None:
        """The run stays as it is, so that it keeps its place: the next poll offers it where there is room."""
        pool = self.pool
        if not pool or run.work_pool_id != pool.id:
            return None
        queue = self.tx.one(select(work_queues).where(work_queues.c.id == run.work_queue_id))
        used = occupied(self.tx, pool.id)
        counts = [("Work pool", pool, sum(used.values()))]
        counts += [("Work queue", queue, used.get(queue.id, 0))] if queue else []
        for what, row, count in counts:
            if row.is_paused:
                return Reject(f"{what} {row.name!r} is paused")
            if not _room(row, count):
                return Reject(f"{what} {row.name!r} is at its limit of {row.concurrency_limit}")
        return None

    def _take_deployment(self, run: Row[Any], verdict: Accept) -> Verdict:
        deployment = self.deployment
        deployment_slots.drop(self.tx, run)
        if not deployment or deployment.id != run.deployment_id:
            return verdict
        if deployment.concurrency_limit == 0:
            return Abort(f"The concurrency limit of deployment {deployment.name!r} is 0: none of its runs may start")
        if deployment_slots.has_room(self.tx, deployment):
            deployment_slots.take(self.tx, run, deployment, verdict.state)
            return verdict
        message = f"Deployment {deployment.name!r} is at its limit of {deployment.concurrency_limit}"
        return Reject(message, _turned_away(self.tx, deployment, message))

    def _keep_deployment(self, run: Row[Any], verdict: Accept) -> Verdict:
        """The time from Pending to Running may have been longer than the lease lasts."""
        deployment, lease_id = self.deployment, deployment_slots.lease_of(verdict.state)
        if not deployment or deployment.id != run.deployment_id or not lease_id:
            return verdict
        if deployment_slots.keep(self.tx, lease_id):
            return verdict
        deployment_slots.drop(self.tx, run)
        if deployment_slots.has_room(self.tx, deployment):
            deployment_slots.take(self.tx, run, deployment, verdict.state)
            return verdict
        message = (
            f"It took more than {FIRST_LEASE.total_seconds():g} s to start, and the slot of deployment "
            f"{deployment.name!r} went to another run meanwhile"
        )
        return Reject(message, make_state(StateType.CANCELLED, self.tx.now, message=message))


_PLACE = (
    select(flow_runs.c.deployment_id, flow_runs.c.state_type, work_pools.c.id, work_pools.c.type)
    .select_from(flow_runs.outerjoin(work_pools, work_pools.c.id == flow_runs.c.work_pool_id))
    .where(flow_runs.c.id == bindparam("run_id"))
)


def gate(tx: Tx, run_id: UUID, wanted: StateCreate, *, force: bool = False) -> Gate:
    """Lock what a run needs slots of in order to enter this state. Call before the run is locked: pools come first,
    then deployments, then runs."""
    if force or wanted.type not in (StateType.PENDING, StateType.RUNNING):
        return Gate(tx)
    found = tx.one(_PLACE, {"run_id": run_id})
    if not found or (found.type and not is_pull(found.type)):
        return Gate(tx)
    takes = wanted.type is StateType.PENDING and found.state_type not in HOLDING
    starts = wanted.type is StateType.RUNNING and found.state_type == StateType.PENDING
    pool = _lock(tx, work_pools, work_pools.c.id == found.id) if takes and found.id else None
    limited = (deployments.c.id == found.deployment_id) & deployments.c.concurrency_limit.is_not(None)
    return Gate(tx, pool, _lock(tx, deployments, limited) if (takes or starts) and found.deployment_id else None)


def _lock(tx: Tx, table: Any, condition: ColumnElement[bool]) -> Row[Any] | None:
    return tx.conn.execute(update(table).where(condition).values(claims=table.c.claims + 1).returning(*table.c)).first()


def _turned_away(tx: Tx, deployment: Row[Any], message: str) -> State:
    if deployment.collision_strategy == CollisionStrategy.CANCEL_NEW:
        return make_state(StateType.CANCELLED, tx.now, message=message)
    return make_state(
        StateType.SCHEDULED,
        tx.now,
        name="AwaitingConcurrencySlot",
        message=message,
        scheduled_time=tx.now + SLOT_WAIT,
    )
