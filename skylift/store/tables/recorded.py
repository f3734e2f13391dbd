"""What flows leave behind: events, and the task runs that are read from them."""

from __future__ import annotations

from sqlalchemy import Float, Index, Integer, Table, Text, UniqueConstraint, Uuid

from skylift.store.tables.base import key, maybe, metadata, must, times
from skylift.store.types import Json, UtcDateTime

events = Table(
    "events",
    metadata,
    # The sender's own: an event that is sent again is known by it.
    key(),
    must("occurred", UtcDateTime),
    # By the database's clock: what came in last is found by it.
    must("received", UtcDateTime),
    must("event", Text),
    must("resource_id", Text),
    must("resource", Json),
    must("related", Json),
    must("payload", Json),
    maybe("follows", Uuid),
    # The first flow run that the event names: it goes when that one goes.
    maybe("flow_run_id", Uuid),
    Index(None, "flow_run_id", "occurred"),
    Index(None, "resource_id", "occurred"),
    # With the id, by which pages go on: many are of the very same instant.
    Index(None, "occurred", "id"),
    Index(None, "received"),
)

task_runs = Table(
    "task_runs",
    metadata,
    key(),
    *times(),
    must("name", Text),
    maybe("flow_run_id", Uuid),
    must("task_key", Text),
    must("dynamic_key", Text),
    maybe("cache_key", Text),
    maybe("cache_expiration", UtcDateTime),
    maybe("task_version", Text),
    must("empirical_policy", Json),
    must("tags", Json),
    must("labels", Json),
    must("task_inputs", Json),
    must("state_id", Uuid),
    must("state_type", Text),
    must("state_name", Text),
    must("state_timestamp", UtcDateTime),
    # Of two states of a task run the one that sorts higher is the newer: reports come in any order, and more than once.
    must("state_order", Text),
    must("run_count", Integer),
    must("flow_run_run_count", Integer),
    must("expected_start_time", UtcDateTime),
    maybe("next_scheduled_start_time", UtcDateTime),
    maybe("start_time", UtcDateTime),
    maybe("end_time", UtcDateTime),
    must("total_run_time", Float),
    # In this order: within a flow run the dynamic key alone leaves one or a few.
    UniqueConstraint("flow_run_id", "dynamic_key", "task_key"),
    Index(None, "expected_start_time"),
    Index(None, "state_type", "expected_start_time"),
    Index(None, "flow_run_id", "expected_start_time"),
)

task_run_states = Table(
    "task_run_states",
    metadata,
    # That of the event that reported it, where one did.
    key(),
    must("task_run_id", Uuid),
    must("timestamp", UtcDateTime),
    must("type", Text),
    must("name", Text),
    maybe("message", Text),
    maybe("data", Json),
    must("state_details", Json),
    Index(None, "task_run_id", "timestamp"),
)
