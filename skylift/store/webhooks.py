"""Webhooks and their deliveries. Secrets come sealed, and leave sealed."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, bindparam, delete, select, update

from skylift.errors import ConflictError, NotFoundError
from skylift.ids import new_id
from skylift.models.webhooks import Outcome, Receipt, WebhookCreate, WebhookUpdate
from skylift.store import deployments, prepared
from skylift.store.engine import TryAgainError, Tx
from skylift.store.inserts import insert_if_new
from skylift.store.tables import webhook_deliveries, webhooks

UNKNOWN = "There is no webhook here: its address is /hooks/ and its id"
LONGEST_REASON = 1_000
"""Characters that are kept of why a delivery was refused."""
MOST_DELETED = 1_000
"""Deliveries that go along with their webhook in its transaction."""
_TAKEN = select(webhook_deliveries).where(
    webhook_deliveries.c.webhook_id.in_(bindparam("hooks", expanding=True)),
    webhook_deliveries.c.dedupe_key.in_(bindparam("texts", expanding=True)),
)


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
        raise NotFoundError(UNKNOWN)
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


Key = tuple[UUID, str]
"""A delivery's webhook, and what it is known by there."""


def receipts(tx: Tx, keys: Collection[Key]) -> dict[Key, Receipt]:
    """The receipts of those of these deliveries that were taken already."""
    if not keys:
        return {}
    hooks, texts = ({key[place] for key in keys} for place in (0, 1))
    rows = tx.all(_TAKEN, {"hooks": list(hooks), "texts": list(texts)})
    found = {(row.webhook_id, row.dedupe_key): row for row in rows}
    return {
        key: Receipt(delivery_id=found[key].id, outcome=found[key].outcome, flow_run_id=found[key].flow_run_id)
        for key in keys
        if key in found
    }


def take(tx: Tx, taken: Mapping[Key, Receipt]) -> None:
    """Write these down. The database's `IntegrityError` where another has just taken one of them."""
    lines = [
        _line(tx, each.delivery_id, webhook_id, text, each.outcome, flow_run_id=each.flow_run_id)
        for (webhook_id, text), each in sorted(taken.items())
    ]
    prepared.add(tx, webhook_deliveries, *lines)


def note_refused(tx: Tx, refused: Sequence[tuple[UUID, str]]) -> None:
    """Deliveries, by webhook, that were signed well and could not be made a run, each with the reason. They may come
    again."""
    known = {row.id for row in prepared.every(tx, webhooks.c.id, {webhook_id for webhook_id, _ in refused})}
    lines = []
    for webhook_id, reason in refused:
        if webhook_id in known:
            delivery_id, told = new_id(), reason.replace("\0", "\N{REPLACEMENT CHARACTER}")[:LONGEST_REASON]
            lines.append(_line(tx, delivery_id, webhook_id, str(delivery_id), Outcome.REFUSED, reason=told))
    prepared.add(tx, webhook_deliveries, *lines)


def deliveries_of(tx: Tx, webhook_id: UUID, limit: int) -> list[Row[Any]]:
    """The newest first."""
    at, key = webhook_deliveries.c.received, webhook_deliveries.c.id
    query = select(webhook_deliveries).where(webhook_deliveries.c.webhook_id == webhook_id)
    return tx.all(query.order_by(at.desc(), key.desc()).limit(limit))


def _line(
    tx: Tx,
    delivery_id: UUID,
    webhook_id: UUID,
    dedupe_key: str,
    outcome: Outcome,
    *,
    flow_run_id: UUID | None = None,
    reason: str | None = None,
) -> dict[str, Any]:
    received: datetime = tx.now
    return {
        "id": delivery_id,
        "webhook_id": webhook_id,
        "received": received,
        "dedupe_key": dedupe_key,
        "outcome": str(outcome),
        "flow_run_id": flow_run_id,
        "reason": reason,
    }
