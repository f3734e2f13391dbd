"""What people and other runs send to a run: values by key."""

from __future__ import annotations

from sqlalchemy import Index, Table, Text, UniqueConstraint, Uuid

from skylift.store.tables.base import key, maybe, metadata, must, times

flow_run_inputs = Table(
    "flow_run_inputs",
    metadata,
    key(),
    *times(),
    must("flow_run_id", Uuid),
    must("key", Text),
    must("value", Text),
    maybe("sender", Text),
    UniqueConstraint("flow_run_id", "key"),
    Index(None, "flow_run_id", "created"),
)
