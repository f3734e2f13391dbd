"""What flows show people: tables, texts, links, images and progress."""

from __future__ import annotations

from sqlalchemy import Column, Index, Table, Text, Uuid

from skylift.store.tables.base import key, maybe, metadata, must, times
from skylift.store.types import Json

artifacts = Table(
    "artifacts",
    metadata,
    key(),
    *times(),
    maybe("key", Text),
    maybe("type", Text),
    maybe("description", Text),
    maybe("data", Json),
    maybe("metadata_", Json),
    maybe("flow_run_id", Uuid),
    maybe("task_run_id", Uuid),
    Index(None, "key", "created"),
    Index(None, "flow_run_id"),
    Index(None, "task_run_id"),
    Index(None, "created"),
)

# The newest artifact of each key. Columns that lists are filtered by are kept here too; the rest is read there.
artifact_collections = Table(
    "artifact_collections",
    metadata,
    key(),
    *times(),
    Column("key", Text, nullable=False, unique=True),
    must("latest_id", Uuid),
    maybe("type", Text),
    maybe("flow_run_id", Uuid),
    maybe("task_run_id", Uuid),
    Index(None, "latest_id"),
)
