"""Webhooks and their deliveries. Secrets come sealed, and leave sealed."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, delete, insert, select, update

from skylift.errors import ConflictError, NotFoundError
from skylift.ids import new_id
from skylift.models.webhooks import Outcome, Receipt, WebhookCreate, WebhookUpdate
from skylift.store import deployments, prepared
from skylift.store.engine import TryAgainError, Tx
from skylift.store.inserts import insert_if_new
from skylift.store.tables import webhook_deliveries, webhooks

LONGEST_REASON = 1_000
"""Characters that are kept of why a delivery was refused."""
MOST_DELETED = 1_000
"""Deliveries that go along with their webhook in its transaction."""


def create(tx: Tx, wanted: WebhookCreate, webhook_id: UUID, sealed: str) -> Row[Any]:
    """Raises `NotFoundError` for a deployment that is not there, `ConflictError` where the name is taken."""
    deployments.by_id(tx, wanted.deployment_id)
    values = wanted.model_dump(mode="json", exclude={"secret", "deployment_id"})
    values |= {"id": webhook_id, "deployment_id": wanted.deployment_id, "secrets": sealed, "previous_until": None}
    if not insert_if_new(tx, webhooks, values | {"created": tx.now, "updated": tx.now}):
        raise ConflictError(f"A webhook with the name {wanted.name!r} already exists")
    return by_id(tx, webhook_id)


def by_id(tx: Tx, webhook_id: UUID) -> Row[Any]:
    """Raises `NotFoundError`."""
    row = prepared.first(tx, webhooks.c.id, webhook_id)
    if not row:
        raise NotFoundError("There is no webhook here: its address is /hooks/ and its id")
    return row


def by_name(tx: Tx, name: str) -> Row[Any]:
    """Raises `NotFoundError`."""
    row = tx.one(select(webhooks).where(webhooks.c.name == name))
    if not row:
        raise NotFoundError(f"There is no webhook {name!r}")
    return row


def every(tx: Tx) -> list[Row[Any]]:
    """By name."""
    return tx.all(select(webhooks).order_by(webhooks.c.name))


def change(tx: Tx, name: str, changes: WebhookUpdate) -> Row[Any]:
    """Change the given fields; a template that is null goes. Raises `NotFoundError`."""
    row = by_name(tx, name)
    values = changes.model_dump(exclude_unset=True)
    for never_null in ("deployment_id", "replay_window", "active"):
        if values.get(never_null, ...) is None:
            del values[never_null]
    if "deployment_id" in values:
        deployments.by_id(tx, values["deployment_id"])
    tx.run(update(webhooks).where(webhooks.c.id == row.id).values(**values, updated=tx.now))
    return by_id(tx, row.id)


def replace_secrets(tx: Tx, before: Row[Any], sealed: str, overlap: timedelta) -> Row[Any]:
    """Raises `TryAgainError` where another has changed them since `before` was read."""
    changed = tx.run(
        update(webhooks)
        .where(webhooks.c.id == before.id, webhooks.c.secrets == before.secrets)
        .values(secrets=sealed, previous_until=tx.now + overlap if overlap else None, updated=tx.now)
    )
    if not changed:
        raise TryAgainError("The secret of this webhook is just being changed by another: look, then try again")
    return by_id(tx, before.id)


def remove(tx: Tx, name: str) -> None:
    """With its deliveries, as far as one transaction takes them; retention takes the rest. Raises `NotFoundError`."""
    row = by_name(tx, name)
    tx.run(delete(webhooks).where(webhooks.c.id == row.id))
    some = select(webhook_deliveries.c.id).where(webhook_deliveries.c.webhook_id == row.id).limit(MOST_DELETED)
    ids = [each.id for each in tx.all(some)]
    if ids:
        tx.run(delete(webhook_deliveries).where(webhook_deliveries.c.id.in_(ids)))


# -- deliveries -------------------------------------------------------------------------------------------------------


def take(
    tx: Tx, webhook_id: UUID, dedupe_key: str | None, outcome: Outcome, run_id: UUID | None
) -> tuple[Receipt, bool]:
    """The receipt for this delivery, and whether it is new: of the same one twice the second gets the first's."""
    delivery_id = new_id()
    values = _line(tx, delivery_id, webhook_id, dedupe_key or str(delivery_id), outcome) | {"flow_run_id": run_id}
    if insert_if_new(tx, webhook_deliveries, values):
        return Receipt(delivery_id=delivery_id, outcome=outcome, flow_run_id=run_id), True
    row = tx.one(
        select(webhook_deliveries).where(
            webhook_deliveries.c.webhook_id == webhook_id, webhook_deliveries.c.dedupe_key == values["dedupe_key"]
        )
    )
    if not row:
        raise TryAgainError("The same delivery is just being taken by another request: send it again")
    return Receipt(delivery_id=row.id, outcome=row.outcome, flow_run_id=row.flow_run_id), False


def brings_known_run(tx: Tx, delivery_id: UUID, run_id: UUID) -> None:
    """Its idempotency key is that of a run that is there already."""
    tx.run(update(webhook_deliveries).where(webhook_deliveries.c.id == delivery_id).values(flow_run_id=run_id))


def note_refused(tx: Tx, webhook_id: UUID, reason: str) -> None:
    """It was signed well, and could not be made a run. It may come again."""
    if not tx.one(select(webhooks.c.id).where(webhooks.c.id == webhook_id)):
        return
    delivery_id = new_id()
    values = _line(tx, delivery_id, webhook_id, str(delivery_id), Outcome.REFUSED)
    told = reason.replace("\0", "\N{REPLACEMENT CHARACTER}")[:LONGEST_REASON]
    tx.run(insert(webhook_deliveries).values(**values | {"reason": told}))


def deliveries_of(tx: Tx, webhook_id: UUID, limit: int) -> list[Row[Any]]:
    """The newest first."""
    at, key = webhook_deliveries.c.received, webhook_deliveries.c.id
    query = select(webhook_deliveries).where(webhook_deliveries.c.webhook_id == webhook_id)
    return tx.all(query.order_by(at.desc(), key.desc()).limit(limit))


def _line(tx: Tx, delivery_id: UUID, webhook_id: UUID, dedupe_key: str, outcome: Outcome) -> dict[str, Any]:
    received: datetime = tx.now
    return {
        "id": delivery_id,
        "webhook_id": webhook_id,
        "received": received,
        "dedupe_key": dedupe_key,
        "outcome": str(outcome),
        "flow_run_id": None,
        "reason": None,
    }
