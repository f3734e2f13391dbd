"""The slots of a deployment's concurrency limit: it has one limit, wherever its runs are.

What we launch holds a slot by its attempt. A run that somebody takes from a pull pool, or from a deployment that is
served, holds one by a lease, which the run's engine renews: a worker that dies holds none for long. The lease of a run
that has ended does not count, so nothing has to give it back. Whoever wants to take a slot first locks the deployment.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, delete, func, insert, select, update

from skylift.ids import new_id
from skylift.models.states import TERMINAL, State
from skylift.store import attempts
from skylift.store.engine import Tx
from skylift.store.tables import concurrency_leases as leases
from skylift.store.tables import flow_runs

FIRST_LEASE = timedelta(seconds=300)
"""For the time from Pending to the engine's first renewal."""


def occupied(tx: Tx, deployment_ids: Sequence[UUID]) -> Counter[UUID]:
    """How many slots each of these deployments occupies, in all pools and beside them."""
    if not deployment_ids:
        return Counter()
    return Counter(attempts.occupied_by_deployments(tx, list(deployment_ids))) + _leased(tx, deployment_ids)


def _leased(tx: Tx, deployment_ids: Sequence[UUID]) -> Counter[UUID]:
    rows = tx.all(
        select(leases.c.limit_id, func.count().label("slots"))
        .select_from(leases.join(flow_runs, flow_runs.c.id == leases.c.holder_id))
        .where(
            leases.c.limit_id.in_(deployment_ids),
            leases.c.expires_at > tx.now,
            flow_runs.c.state_type.not_in([str(each) for each in TERMINAL]),
        )
        .group_by(leases.c.limit_id)
    )
    return Counter({row.limit_id: row.slots for row in rows})


def has_room(tx: Tx, deployment: Row[Any]) -> bool:
    limit: int | None = deployment.concurrency_limit
    return limit is None or occupied(tx, [deployment.id])[deployment.id] < limit


def take(tx: Tx, run: Row[Any], deployment: Row[Any], state: State) -> None:
    """A slot for this run, by a lease that its new state names."""
    lease_id = new_id()
    tx.run(
        insert(leases).values(
            id=lease_id,
            limit_id=deployment.id,
            created=tx.now,
            expires_at=tx.now + FIRST_LEASE,
            slots=1,
            holder_type="flow_run",
            holder_id=run.id,
        )
    )
    _name(state, lease_id)


def keep(tx: Tx, lease_id: UUID) -> bool:
    """Renew a lease; False where it has run out."""
    live = (leases.c.id == lease_id, leases.c.expires_at > tx.now)
    return bool(tx.run(update(leases).where(*live).values(expires_at=tx.now + FIRST_LEASE)))


def drop(tx: Tx, run: Row[Any]) -> None:
    """The run's slot of its deployment: what it holds of other limits is its own business."""
    if run.deployment_id:
        tx.run(delete(leases).where(leases.c.holder_id == run.id, leases.c.limit_id == run.deployment_id))


def lease_of(state: State) -> UUID | None:
    """The lease that a state names."""
    value = (state.state_details.model_extra or {}).get("deployment_concurrency_lease_id")
    return UUID(str(value)) if value else None


def carry(current: State, new: State) -> None:
    """Let the new state name the lease that the current one names: clients send null for what they do not know."""
    lease_id = lease_of(current)
    if lease_id and not lease_of(new):
        _name(new, lease_id)


def _name(state: State, lease_id: UUID) -> None:
    named = {"deployment_concurrency_lease_id": str(lease_id)}
    state.state_details = state.state_details.model_copy(update=named)
