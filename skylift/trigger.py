"""The verb trigger: deliveries to webhooks become flow runs.

In stages: senders are verified, bodies read, the runs that they ask for worked out, all without a transaction but one
short look; then one transaction that writes the deliveries down and makes their runs (`webhook_runs`). However many
have come in at the same moment, each stage is gone through once. The same delivery finds what the first one wrote, and
gets its answer. What makes the runs due wakes dispatch once that is committed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import Row
from sqlalchemy.exc import InterfaceError, OperationalError

from skylift import faults
from skylift.errors import ConflictError, NotFoundError, SkyliftError
from skylift.models.webhooks import Receipt, SignatureKind
from skylift.parts import Parts
from skylift.store import prepared, tables, webhooks
from skylift.store.engine import StoreBusyError, TryAgainError
from skylift.webhook_runs import GONE, Order, make_all
from skylift.webhooks import mapping, payloads, signatures
from skylift.webhooks.deliveries import Delivery
from skylift.webhooks.payloads import Payload

log = logging.getLogger(__name__)

LONGEST_KEY = 1_000
NOT_YET = AssertionError("A delivery was left without an answer")


class Handshake(str):
    """The code that a sender wants back before it sends anything."""


class Ping:
    """GitHub's, which only wants to know whether the webhook is there."""


Answer = Receipt | Handshake | Ping
Unseal = Callable[[str], Any]
"""From what is sealed to the value."""


def trigger(parts: Parts, webhook_id: UUID, delivery: Delivery) -> Answer:
    """Make the run that this delivery asks for. Raises `NotFoundError`, `SignatureError`, `TooLargeError`,
    `MediaTypeError`, `InvalidError` and `ConflictError`; then nothing was made.
    """
    answer = trigger_all(parts, [(webhook_id, delivery)])[0]
    if isinstance(answer, Exception):
        raise answer
    return answer


def trigger_all(parts: Parts, asked: Sequence[tuple[UUID, Delivery]]) -> list[Answer | Exception]:
    """As `trigger`, for deliveries that came in at the same moment: what one of them would raise is its answer, and
    keeps none of the others from theirs. Raises only where the database cannot be read."""
    found = _find(parts, (webhook_id for webhook_id, _ in asked))
    cases = [_Case(webhook_id, delivery) for webhook_id, delivery in asked]
    unseal = cache(parts.sealer.open)
    for case in cases:
        case.judge(found.get(case.webhook_id), unseal)
    ordered = [(case, case.order) for case in cases if case.order]
    for (case, _), made in zip(ordered, _make(parts, [order for _, order in ordered]), strict=True):
        case.answer = made
    _note_refused(parts, [case for case in cases if case.is_refused])
    return [case.answer for case in cases]


@dataclass(frozen=True, slots=True)
class Found:
    """What a delivery is judged by, from one look into the database."""

    hook: Row[Any]
    deployment: Row[Any] | None
    now: datetime


@dataclass(slots=True)
class _Case:
    """A delivery under way."""

    webhook_id: UUID
    delivery: Delivery
    is_known: bool = False
    """Whether its sender is."""
    order: Order | None = None
    answer: Answer | Exception = NOT_YET

    def judge(self, found: Found | None, unseal: Unseal) -> None:
        """Work out what it asks for: its order, or the answer already."""
        try:
            self.delivery.check()
            if not found:
                raise NotFoundError(webhooks.UNKNOWN)
            signed = _verified(found, self.delivery, unseal)
            if self.delivery.header("x-github-event") == "ping":
                self.answer = Ping()
                return
            self.is_known = True
            payload = payloads.read(self.delivery)
            if payload.handshake:
                self.answer = Handshake(payload.handshake)
                return
            wanted = mapped(found, self.delivery, payload)
            self.order = Order(found.hook, wanted, _dedupe_key(payload, signed))
        except Exception as error:  # whatever it is, it is this delivery's alone
            self.answer = error

    @property
    def is_refused(self) -> bool:
        """Whether it is written down. Of senders that are known only: others could fill the table."""
        is_final = isinstance(self.answer, SkyliftError) and not isinstance(self.answer, TryAgainError | StoreBusyError)
        return self.is_known and is_final


def _find(parts: Parts, webhook_ids: Iterable[UUID]) -> dict[UUID, Found]:
    with parts.store.reading() as tx:
        hooks = prepared.by_id(tx, tables.webhooks, webhook_ids)
        deployments = prepared.by_id(tx, tables.deployments, (hook.deployment_id for hook in hooks.values()))
        return {each: Found(hook, deployments.get(hook.deployment_id), tx.now) for each, hook in hooks.items()}


def _verified(found: Found, delivery: Delivery, unseal: Unseal) -> str | None:
    """A digest of what was signed."""
    hook, now = found.hook, found.now
    secrets = unseal(hook.secrets)
    is_old_valid = hook.previous_until is not None and now < hook.previous_until
    known = secrets if is_old_valid else secrets[:1]
    signed = signatures.verify(SignatureKind(hook.kind), known, delivery, now=now, window=hook.replay_window)
    if not hook.active:
        raise ConflictError("This webhook is paused: it takes no deliveries")
    return signed


def verify(parts: Parts, webhook_id: UUID, delivery: Delivery) -> None:
    """Only whether the sender is known. Raises as `trigger`."""
    delivery.check()
    found = _find(parts, [webhook_id]).get(webhook_id)
    if not found:
        raise NotFoundError(webhooks.UNKNOWN)
    _verified(found, delivery, parts.sealer.open)


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


def _make(parts: Parts, orders: Sequence[Order]) -> Sequence[Receipt | Exception]:
    if not orders:
        return []
    try:
        return parts.store.transaction(make_all, orders)
    except (StoreBusyError, OperationalError, InterfaceError) as error:  # which is none of them's fault
        return [error] * len(orders)
    except Exception as error:
        if len(orders) == 1:
            return [error]
        return [_make(parts, [order])[0] for order in orders]


def _note_refused(parts: Parts, refused: Sequence[_Case]) -> None:
    if not refused:
        return
    try:
        parts.store.transaction(webhooks.note_refused, [(case.webhook_id, str(case.answer)) for case in refused])
    except Exception as error:  # the others' runs are made, and their senders are to be told so
        log.warning("%s refused deliveries could not be written down: %s", len(refused), faults.told(error))
