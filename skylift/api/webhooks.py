"""/skylift/webhooks: addresses that others post to, and what came in."""

from __future__ import annotations

from typing import Annotated

from fastapi import Body, Query

from skylift import webhook_keeping
from skylift.api import scopes
from skylift.api.deps import PartsDep
from skylift.api.tagged import TaggedRouter
from skylift.models.webhooks import (
    NewWebhook,
    Trial,
    Webhook,
    WebhookCreate,
    WebhookDelivery,
    WebhookRotate,
    WebhookTest,
    WebhookUpdate,
)
from skylift.store import webhooks

router = TaggedRouter(prefix="/skylift/webhooks", tags=["Webhooks"])


@router.post("/", status_code=201, dependencies=[scopes.DEPLOY])
def create_webhook(parts: PartsDep, body: WebhookCreate) -> NewWebhook:
    """Make a webhook; the answer is the only time that its secret is shown."""
    return webhook_keeping.create(parts, body)


@router.get("/", dependencies=[scopes.NONE])
def read_webhooks(parts: PartsDep) -> list[Webhook]:
    """All webhooks, by name."""
    with parts.store.reading() as tx:
        return [webhook_keeping.shown(row) for row in webhooks.every(tx)]


@router.get("/{name}", dependencies=[scopes.NONE])
def read_webhook(parts: PartsDep, name: str) -> Webhook:
    with parts.store.reading() as tx:
        return webhook_keeping.shown(webhooks.by_name(tx, name))


@router.patch("/{name}", dependencies=[scopes.DEPLOY])
def update_webhook(parts: PartsDep, name: str, body: WebhookUpdate) -> Webhook:
    """Change what is given; the address and the secret stay."""
    return webhook_keeping.change(parts, name, body)


@router.delete("/{name}", status_code=204, dependencies=[scopes.DEPLOY])
def delete_webhook(parts: PartsDep, name: str) -> None:
    """Delete a webhook: nobody can make runs by it any more."""
    parts.store.transaction(webhooks.remove, name)


@router.post("/{name}/rotate", dependencies=[scopes.DEPLOY])
def rotate_webhook(
    parts: PartsDep, name: str, body: Annotated[WebhookRotate, Body(default_factory=WebhookRotate)]
) -> NewWebhook:
    """Give it a new secret, which is shown this once; the old one is valid for a while."""
    return webhook_keeping.rotate(parts, name, body)


@router.post("/{name}/test", dependencies=[scopes.DEPLOY])
def test_webhook(parts: PartsDep, name: str, body: Annotated[WebhookTest, Body(default_factory=WebhookTest)]) -> Trial:
    """Send it a delivery that is signed as its senders would."""
    return webhook_keeping.try_out(parts, name, body)


@router.get("/{name}/deliveries", dependencies=[scopes.NONE])
def read_deliveries(
    parts: PartsDep, name: str, limit: Annotated[int, Query(ge=1, le=200)] = 50
) -> list[WebhookDelivery]:
    """What came in and was signed well, the newest first."""
    with parts.store.reading() as tx:
        found = webhooks.deliveries_of(tx, webhooks.by_name(tx, name).id, limit)
        return [WebhookDelivery.model_validate(row) for row in found]
