"""Who may reach the API, and what there."""

from __future__ import annotations

from sqlalchemy import Column, Index, Table, Text, Uuid

from skylift.store.tables.base import key, maybe, metadata, must, times
from skylift.store.types import UtcDateTime

api_keys = Table(
    "api_keys",
    metadata,
    key(),
    *times(),
    Column("name", Text, nullable=False, unique=True),
    must("role", Text),
    Column("key_hash", Text, nullable=False, unique=True),
    # What a person can tell keys apart by, and nobody can use.
    must("beginning", Text),
    maybe("expires", UtcDateTime),
)

# Runs that a run has asked for, and may look after, though they are none of its subflows.
asked_runs = Table(
    "asked_runs",
    metadata,
    Column("asked_by", Uuid, primary_key=True),
    Column("flow_run_id", Uuid, primary_key=True),
    Index(None, "flow_run_id"),
)
