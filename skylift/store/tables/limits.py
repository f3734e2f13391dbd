"""Concurrency limits that flows and tasks ask for by name or tag, and the workers of pull pools.

A limit on a tag of task runs is one named `tag:…`: that is the name by which task runs ask for its slots.
"""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Float, Index, Integer, Table, Text, UniqueConstraint, Uuid

from skylift.store.tables.base import key, maybe, metadata, must, times
from skylift.store.types import Json, UtcDateTime

concurrency_limits = Table(
    "concurrency_limits",
    metadata,
    key(),
    *times(),
    Column("name", Text, nullable=False, unique=True),
    must("limit", Integer),
    must("active", Boolean),
    # Both as they were at `slots_at`; they decay from there. Fractions are kept, so that asking often loses nothing.
    must("active_slots", Float),
    must("denied_slots", Float),
    must("slots_at", UtcDateTime),
    must("slot_decay_per_second", Float),
    must("avg_slot_occupancy_seconds", Float),
)

# One row for each limit that a lease holds slots of; they share the lease's id. `limit_id` may also be a deployment's:
# that is how runs in pull pools hold the slots of their deployment.
concurrency_leases = Table(
    "concurrency_leases",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("limit_id", Uuid, primary_key=True),
    must("created", UtcDateTime),
    must("expires_at", UtcDateTime),
    # What was really taken: none of a limit that was switched off at that moment.
    must("slots", Integer),
    maybe("holder_type", Text),
    maybe("holder_id", Uuid),
    Index(None, "expires_at"),
    Index(None, "limit_id", "expires_at"),
    Index(None, "holder_id"),
)

workers = Table(
    "workers",
    metadata,
    key(),
    *times(),
    must("work_pool_id", Uuid),
    must("name", Text),
    must("last_heartbeat_time", UtcDateTime),
    maybe("heartbeat_interval_seconds", Integer),
    # From then on it counts as offline, unless it is heard of again.
    must("offline_at", UtcDateTime),
    UniqueConstraint("work_pool_id", "name"),
    Index(None, "work_pool_id", "offline_at"),
)

# When somebody last asked for runs of a deployment: what `flow.serve()` does. Pools' queues keep their own time.
deployment_polls = Table(
    "deployment_polls",
    metadata,
    Column("deployment_id", Uuid, primary_key=True),
    must("last_polled", UtcDateTime),
)

# What an installation has one of.
configuration = Table(
    "configuration",
    metadata,
    Column("key", Text, primary_key=True),
    must("updated", UtcDateTime),
    maybe("value", Json),
)
