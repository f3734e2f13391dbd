"""The verb trigger: a delivery to a webhook becomes a flow run.

In stages: the sender is verified, the body read, the run that it asks for worked out, all without a transaction but one
short look; then one transaction that writes the delivery down and makes its run. The same delivery finds what the first
one wrote, and gets its answer. What makes the run due wakes dispatch once that is committed.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from threading import Lock
from typing import Any
from uuid import UUID

from sqlalchemy import Row

from skylift import new_runs
from skylift.errors import ConflictError, SkyliftError
from skylift.ids import new_id
from skylift.models.runs import DeploymentRunCreate
from skylift.models.states import StateCreate, StateDetails, StateType
from skylift.models.webhooks import Outcome, Receipt, SignatureKind
from skylift.parts import Parts
from skylift.store import Tx, deployments, webhooks
from skylift.store.engine import StoreBusyError, TryAgainError
from skylift.webhooks import mapping, payloads, signatures
from skylift.webhooks.deliveries import MAX_BODY, Delivery
from skylift.webhooks.errors import TooLargeError
from skylift.webhooks.payloads import Payload

LONGEST_KEY = 1_000
LABEL = "skylift.webhook"
_writers = Lock()
GONE = "The deployment of this webhook is gone: give it another one, or delete it"


class Handshake(str):
    """The code that a sender wants back before it sends anything."""


def trigger(parts: Parts, webhook_id: UUID, delivery: Delivery) -> Receipt | Handshake:
    """Make the run that this delivery asks for. Raises `NotFoundError`, `SignatureError`, `TooLargeError`,
    `MediaTypeError`, `InvalidError` and `ConflictError`; then nothing was made.
    """
    if len(delivery.body) > MAX_BODY:
        raise TooLargeError(f"The body has {len(delivery.body)} bytes, and webhooks take {MAX_BODY} at most")
    found = _find(parts, webhook_id)
    hook, signed = found.hook, _verified(parts, found, delivery)
    try:
        payload = payloads.read(delivery)
        if payload.handshake:
            return Handshake(payload.handshake)
        wanted = mapped(found, delivery, payload)
        with _turn(parts):
            return parts.store.transaction(_make, hook, wanted, _dedupe_key(payload, signed))
    except (TryAgainError, StoreBusyError):
        raise
    except SkyliftError as error:
        # Nobody but a sender that is known gets here: others cannot fill the table.
        parts.store.transaction(webhooks.note_refused, hook.id, str(error))
        raise


def _turn(parts: Parts) -> AbstractContextManager[object]:
    """A file has one writer at a time, and sends others to sleep for a while: threads queue up here instead."""
    return _writers if parts.store.answers_at_once else nullcontext()


@dataclass(frozen=True, slots=True)
class Found:
    """What a delivery is judged by, from one look into the database."""

    hook: Row[Any]
    deployment: Row[Any] | None
    now: datetime


def _find(parts: Parts, webhook_id: UUID) -> Found:
    with parts.store.reading() as tx:
        hook = webhooks.by_id(tx, webhook_id)
        return Found(hook, deployments.find(tx, hook.deployment_id), tx.now)


def _verified(parts: Parts, found: Found, delivery: Delivery) -> str | None:
    """A digest of what was signed."""
    hook, now = found.hook, found.now
    secrets = parts.sealer.open(hook.secrets)
    is_old_valid = hook.previous_until is not None and now < hook.previous_until
    known = secrets if is_old_valid else secrets[:1]
    signed = signatures.verify(SignatureKind(hook.kind), known, delivery, now=now, window=hook.replay_window)
    if not hook.active:
        raise ConflictError("This webhook is paused: it takes no deliveries")
    return signed


def verify(parts: Parts, webhook_id: UUID, delivery: Delivery) -> None:
    """Only whether the sender is known. Raises as `trigger`."""
    _verified(parts, _find(parts, webhook_id), delivery)


def mapped(found: Found, delivery: Delivery, payload: Payload) -> mapping.Wanted:
    """The run that it asks for. Raises `InvalidError`, and `ConflictError` where the deployment is gone."""
    if not found.deployment:
        raise ConflictError(GONE)
    given = mapping.variables(delivery, payload, found.now, found.hook.name)
    return mapping.wanted(found.hook.template, found.deployment.parameter_openapi_schema, given)


def _dedupe_key(payload: Payload, signed: str | None) -> str | None:
    """What the same delivery is known by when it comes again. What is signed comes first: whoever has caught a
    delivery could change the rest of it."""
    if payload.identity and len(payload.identity) <= LONGEST_KEY:
        return payload.identity
    if signed:
        return signed
    header = payload.header_identity
    return header if header and len(header) <= LONGEST_KEY and "\0" not in header else None


def _make(tx: Tx, hook: Row[Any], wanted: mapping.Wanted, key: str | None) -> Receipt:
    """The whole of it: the delivery, and its run."""
    if not wanted.is_wanted:
        return webhooks.take(tx, hook.id, key, Outcome.SKIPPED, None)[0]
    run_id = new_id()
    receipt, is_new = webhooks.take(tx, hook.id, key, Outcome.RUN, run_id)
    if not is_new:
        return receipt
    deployment = deployments.find(tx, hook.deployment_id)
    if not deployment:
        raise ConflictError(GONE)
    made_by = {"id": str(hook.id), "type": "WEBHOOK", "display_value": hook.name}
    run, was_made = new_runs.of_deployment(tx, deployment, _order(hook, wanted), id=run_id, created_by=made_by)
    if was_made:
        return receipt
    webhooks.brings_known_run(tx, receipt.delivery_id, run.id)
    return receipt.model_copy(update={"flow_run_id": run.id})


def _order(hook: Row[Any], wanted: mapping.Wanted) -> DeploymentRunCreate:
    at = StateDetails(scheduled_time=wanted.start_time)
    return DeploymentRunCreate(
        name=wanted.name,
        state=StateCreate(type=StateType.SCHEDULED, state_details=at),
        parameters=wanted.parameters,
        job_variables=wanted.job_variables,
        idempotency_key=wanted.idempotency_key,
        tags=wanted.tags,
        labels={LABEL: hook.name},
    )
