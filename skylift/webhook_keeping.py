"""Making webhooks, changing their secrets, and trying them out."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from sqlalchemy import Row

from skylift.errors import InvalidError
from skylift.ids import new_id, new_token
from skylift.models.webhooks import (
    NewWebhook,
    Receipt,
    SignatureKind,
    Trial,
    Webhook,
    WebhookCreate,
    WebhookRotate,
    WebhookTest,
    WebhookUpdate,
)
from skylift.parts import Parts
from skylift.store import deployments, webhooks
from skylift.trigger import Found, mapped, trigger
from skylift.webhooks import mapping, payloads, signatures
from skylift.webhooks.deliveries import Delivery

SECRET_PREFIX = "slhook_"  # noqa: S105 - what secrets begin with is no secret


def create(parts: Parts, wanted: WebhookCreate) -> NewWebhook:
    """Make a webhook; its secret is in the answer, and nowhere else that can be read. Raises `InvalidError`,
    `NotFoundError` and `ConflictError`."""
    mapping.check(wanted.template)
    secret = wanted.secret or SECRET_PREFIX + new_token()
    sealed = parts.sealer.seal([secret])
    return _with_secret(secret, parts.store.transaction(webhooks.create, wanted, new_id(), sealed))


def change(parts: Parts, name: str, changes: WebhookUpdate) -> Webhook:
    """Raises `InvalidError` and `NotFoundError`."""
    mapping.check(changes.template)
    return shown(parts.store.transaction(webhooks.change, name, changes))


def rotate(parts: Parts, name: str, wanted: WebhookRotate) -> NewWebhook:
    """A new secret; the old one is valid for as long as is asked for. Raises `NotFoundError`."""
    secret = wanted.secret or SECRET_PREFIX + new_token()
    with parts.store.reading() as tx:
        before = webhooks.by_name(tx, name)
    overlap = timedelta(seconds=wanted.overlap)
    kept = parts.sealer.open(before.secrets)[:1] if overlap else []
    sealed = parts.sealer.seal([secret, *kept])
    return _with_secret(secret, parts.store.transaction(webhooks.replace_secrets, before, sealed, overlap))


def try_out(parts: Parts, name: str, wanted: WebhookTest) -> Trial:
    """Send the webhook a delivery that is signed as its senders would, or only say what would become of it. Raises as
    `trigger`."""
    with parts.store.reading() as tx:
        hook = webhooks.by_name(tx, name)
        found = Found(hook, deployments.find(tx, hook.deployment_id), tx.now)
    body = json.dumps(wanted.body).encode()
    headers = {"content-type": "application/json"} | {key.lower(): value for key, value in wanted.headers.items()}
    kind, secret = SignatureKind(hook.kind), parts.sealer.open(hook.secrets)[0]
    delivery = Delivery(body, headers | signatures.sign(kind, secret, body, now=found.now))
    if wanted.dry_run:
        return Trial(would_be=asdict(mapped(found, delivery, payloads.read(delivery))))
    answer = trigger(parts, hook.id, delivery)
    if not isinstance(answer, Receipt):
        raise InvalidError("This is a handshake or a ping, which makes no run", field="body")
    return Trial(receipt=answer)


def shown(row: Row[Any]) -> Webhook:
    """A webhook as the API answers with it."""
    return Webhook.model_validate({**row._mapping, "path": f"/hooks/{row.id}"})


def _with_secret(secret: str, row: Row[Any]) -> NewWebhook:
    return NewWebhook(**shown(row).model_dump(), secret=secret)
