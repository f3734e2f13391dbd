"""Who may reach the API."""

from __future__ import annotations

from sqlalchemy import Column, Table, Text

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
