"""What deliveries make: of all that were understood at the same moment, in one transaction.

It reads once what all of them need, works out each by itself, and writes everything with a few statements. What cannot
be made is told before anything is written, so that it takes none of the others along.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import Row
from sqlalchemy.exc import IntegrityError

from skylift import new_runs
from skylift.errors import ConflictError
from skylift.ids import new_id
from skylift.models.runs import DeploymentRunCreate
from skylift.models.states import StateCreate, StateDetails, StateType
from skylift.models.webhooks import Outcome, Receipt
from skylift.store import Tx, prepared, runs, webhooks
from skylift.store.engine import TryAgainError
from skylift.store.tables import deployments, work_pools
from skylift.webhooks.mapping import Wanted

LABEL = "skylift.webhook"
GONE = "The deployment of this webhook is gone: give it another one, or delete it"


@dataclass(frozen=True, slots=True)
class Order:
    """What a delivery asks for."""

    hook: Row[Any]
    wanted: Wanted
    dedupe_key: str | None
    """What it is known by when it comes again; None where nothing tells."""
    delivery_id: UUID = field(default_factory=new_id)

    @property
    def key(self) -> webhooks.Key:
        return self.hook.id, self.dedupe_key or str(self.delivery_id)


def make_all(tx: Tx, orders: Sequence[Order]) -> list[Receipt | Exception]:
    """The receipt of each, or why there is none; then nothing was made of it. A delivery that was taken before, be it
    in the same moment, gets the receipt of the first. Raises `TryAgainError`."""
    making = _Making(tx, orders)
    made = [making.receipt(order) for order in orders]
    new_runs.write(tx, making.drafts)
    try:
        webhooks.take(tx, making.taken)
    except IntegrityError as error:
        raise TryAgainError("The same delivery is just being taken by another request: send it again") from error
    return made


class _Making:
    """What is there already, and what comes to it."""

    def __init__(self, tx: Tx, orders: Sequence[Order]) -> None:
        self.tx = tx
        self.taken: dict[webhooks.Key, Receipt] = {}
        self.drafts: list[new_runs.Draft] = []
        self._receipts = webhooks.receipts(tx, {each.key for each in orders})
        self._deployments = prepared.by_id(tx, deployments, (each.hook.deployment_id for each in orders))
        self._pools = prepared.by_id(tx, work_pools, (each.work_pool_id for each in self._deployments.values()))
        keys = {key for each in orders if (key := self._idempotency_key(each))}
        self._runs = runs.ids_by_idempotency_key(tx, keys)

    def receipt(self, order: Order) -> Receipt | Exception:
        known = self._receipts.get(order.key)
        if known:
            return known
        try:
            made = self._new(order)
        except Exception as error:  # whatever it is, it is this delivery's alone
            return error
        self._receipts[order.key] = self.taken[order.key] = made
        return made

    def _new(self, order: Order) -> Receipt:
        if not order.wanted.is_wanted:
            return Receipt(delivery_id=order.delivery_id, outcome=Outcome.SKIPPED, flow_run_id=None)
        return Receipt(delivery_id=order.delivery_id, outcome=Outcome.RUN, flow_run_id=self._run(order))

    def _run(self, order: Order) -> UUID:
        """Of the run that it asks for, which may be there already."""
        key = self._idempotency_key(order)
        if key and key in self._runs:
            return self._runs[key]
        deployment = self._deployments.get(order.hook.deployment_id)
        if not deployment:
            raise ConflictError(GONE)
        made_by = {"id": str(order.hook.id), "type": "WEBHOOK", "display_value": order.hook.name}
        run_id, pool = new_id(), self._pools.get(deployment.work_pool_id)
        self.drafts.append(
            new_runs.draft(self.tx, deployment, pool, _run_of(order), id=run_id, created_by=made_by),
        )
        if key:
            self._runs[key] = run_id
        return run_id

    def _idempotency_key(self, order: Order) -> tuple[UUID, str] | None:
        deployment = self._deployments.get(order.hook.deployment_id)
        key = order.wanted.idempotency_key
        return (deployment.flow_id, key) if deployment and key else None


def _run_of(order: Order) -> DeploymentRunCreate:
    wanted = order.wanted
    at = StateDetails(scheduled_time=wanted.start_time)
    return DeploymentRunCreate(
        name=wanted.name,
        state=StateCreate(type=StateType.SCHEDULED, state_details=at),
        parameters=wanted.parameters,
        job_variables=wanted.job_variables,
        idempotency_key=wanted.idempotency_key,
        tags=wanted.tags,
        labels={LABEL: order.hook.name},
    )
