"""Webhooks, and what came in by them."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Index, Integer, Table, Text, UniqueConstraint, Uuid

from skylift.store.tables.base import key, maybe, metadata, must, times
from skylift.store.types import Json, UtcDateTime

webhooks = Table(
    "webhooks",
    metadata,
    key(),
    *times(),
    Column("name", Text, nullable=False, unique=True),
    must("deployment_id", Uuid),
    must("kind", Text),
    # Sealed: the secret, and the one before it where there was one.
    must("secrets", Text),
    # Until when the one before is valid.
    maybe("previous_until", UtcDateTime),
    maybe("template", Json),
    must("replay_window", Integer),
    must("active", Boolean),
)

webhook_deliveries = Table(
    "webhook_deliveries",
    metadata,
    key(),
    must("webhook_id", Uuid),
    must("received", UtcDateTime),
    # What a delivery that comes again is known by. Of one that was refused it is its own: it may come again.
    must("dedupe_key", Text),
    must("outcome", Text),
    maybe("flow_run_id", Uuid),
    maybe("reason", Text),
    UniqueConstraint("webhook_id", "dedupe_key"),
    Index(None, "webhook_id", "received", "id"),
    Index(None, "received"),
)
