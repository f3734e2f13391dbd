"""What claims, launches and observations work on, and what they are made of.

Two narrow tables carry the hot paths, and their rows leave when done, so that no query's cost grows with history:
`due` holds every run that waits to be claimed, `attempts` every one that occupies a slot.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
)

from skylift.store.tables.base import key, maybe, metadata, must, times
from skylift.store.types import Json, UtcDateTime

installation = Table(
    "installation",
    metadata,
    # There is one row, and its name is what keeps a second one out.
    Column("name", Text, primary_key=True),
    must("id", Uuid),
    must("created", UtcDateTime),
)

work_pools = Table(
    "work_pools",
    metadata,
    key(),
    *times(),
    Column("name", Text, nullable=False, unique=True),
    must("type", Text),
    maybe("description", Text),
    must("base_job_template", Json),
    must("is_paused", Boolean),
    maybe("concurrency_limit", Integer),
    must("default_queue_id", Uuid),
    maybe("storage_configuration", Json),
    must("settings", Json),
    # A claim updates this first: that is what serialises claimers, also under snapshot isolation.
    must("claims", Integer),
    # The earliest wakeup under way by a queue: a thousand new runs, or freed slots, are one wakeup.
    maybe("wakeup_at", UtcDateTime),
    # The bucket that its last claim drew from; null where its provider sets no limit.
    maybe("quota_key", Text),
)

work_queues = Table(
    "work_queues",
    metadata,
    key(),
    *times(),
    must("work_pool_id", Uuid),
    must("name", Text),
    maybe("description", Text),
    must("priority", Integer),
    maybe("concurrency_limit", Integer),
    must("is_paused", Boolean),
    maybe("last_polled", UtcDateTime),
    UniqueConstraint("work_pool_id", "name"),
    UniqueConstraint("work_pool_id", "priority"),
)

quota_buckets = Table(
    "quota_buckets",
    metadata,
    Column("key", Text, primary_key=True),
    must("tokens", Float),
    must("filled_at", UtcDateTime),
    # As the last claim knew them.
    maybe("rate", Float),
    maybe("burst", Integer),
)

# Launches that a provider refused as too many, of the last hour; a row for each.
throttles = Table(
    "throttles",
    metadata,
    key(),
    must("bucket", Text),
    must("at", UtcDateTime),
    Index(None, "bucket", "at"),
)

flows = Table(
    "flows",
    metadata,
    key(),
    *times(),
    Column("name", Text, nullable=False, unique=True),
    must("tags", Json),
    must("labels", Json),
)

deployments = Table(
    "deployments",
    metadata,
    key(),
    *times(),
    must("flow_id", Uuid),
    must("name", Text),
    maybe("description", Text),
    maybe("version", Text),
    must("tags", Json),
    must("labels", Json),
    must("paused", Boolean),
    must("parameters", Json),
    maybe("parameter_openapi_schema", Json),
    must("enforce_parameter_schema", Boolean),
    must("job_variables", Json),
    maybe("work_pool_id", Uuid),
    maybe("work_queue_id", Uuid),
    maybe("concurrency_limit", Integer),
    maybe("collision_strategy", Text),
    must("engine", Text),
    maybe("entrypoint", Text),
    maybe("path", Text),
    maybe("pull_steps", Json),
    must("claims", Integer),
    UniqueConstraint("flow_id", "name"),
    Index(None, "work_pool_id"),
)

deployment_schedules = Table(
    "deployment_schedules",
    metadata,
    key(),
    *times(),
    must("deployment_id", Uuid),
    must("active", Boolean),
    must("schedule", Json),
    must("parameters", Json),
    maybe("slug", Text),
    maybe("max_scheduled_runs", Integer),
    maybe("catchup_seconds", Float),
    # The slug or the schedule's content hash: what a slot belongs to, whatever redeploys do to this row.
    must("identity", Text),
    # Every slot up to here is in the ledger, made or skipped.
    must("cursor", UtcDateTime),
    # When the ledger must be continued; null while the schedule or its deployment is off.
    maybe("tick_at", UtcDateTime),
    UniqueConstraint("deployment_id", "identity"),
    Index(None, "tick_at"),
)

schedule_slots = Table(
    "schedule_slots",
    metadata,
    Column("deployment_id", Uuid, primary_key=True),
    Column("identity", Text, primary_key=True),
    Column("slot", UtcDateTime, primary_key=True),
    maybe("flow_run_id", Uuid),
    maybe("skipped", Text),
    Index(None, "slot"),
)

flow_runs = Table(
    "flow_runs",
    metadata,
    key(),
    *times(),
    must("flow_id", Uuid),
    maybe("deployment_id", Uuid),
    maybe("deployment_version", Text),
    must("name", Text),
    must("parameters", Json),
    must("job_variables", Json),
    must("context", Json),
    must("tags", Json),
    must("labels", Json),
    must("empirical_policy", Json),
    maybe("flow_version", Text),
    maybe("idempotency_key", Text),
    maybe("parent_task_run_id", Uuid),
    must("auto_scheduled", Boolean),
    maybe("created_by", Json),
    maybe("work_pool_id", Uuid),
    maybe("work_queue_id", Uuid),
    maybe("infrastructure_pid", Text),
    must("state_id", Uuid),
    must("state_type", Text),
    must("state_name", Text),
    must("state_timestamp", UtcDateTime),
    must("run_count", Integer),
    must("expected_start_time", UtcDateTime),
    maybe("next_scheduled_start_time", UtcDateTime),
    maybe("start_time", UtcDateTime),
    maybe("end_time", UtcDateTime),
    must("total_run_time", Float),
    # Launches that infrastructure lost before user code ran, and launches refused for now: neither is a user's retry.
    must("infrastructure_retries", Integer),
    must("launch_delays", Integer),
    UniqueConstraint("flow_id", "idempotency_key"),
    Index(None, "expected_start_time"),
    Index(None, "state_type", "expected_start_time"),
    Index(None, "state_name", "expected_start_time"),
    Index(None, "deployment_id", "state_type", "expected_start_time"),
    Index(None, "flow_id", "expected_start_time"),
    Index(None, "work_pool_id", "state_type", "expected_start_time"),
    Index(None, "parent_task_run_id"),
    # What ended long ago goes.
    Index(None, "end_time", "id"),
)

# Read backwards: the latest first, and last those that have not started.
for _dialect, _start in (("sqlite", flow_runs.c.start_time), ("postgresql", flow_runs.c.start_time.nulls_first())):
    Index("ix_flow_runs_start_time_id", _start, flow_runs.c.id).ddl_if(dialect=_dialect)

flow_run_states = Table(
    "flow_run_states",
    metadata,
    key(),
    must("flow_run_id", Uuid),
    must("timestamp", UtcDateTime),
    must("type", Text),
    must("name", Text),
    maybe("message", Text),
    maybe("data", Json),
    must("state_details", Json),
    Index(None, "flow_run_id", "timestamp"),
    # States are events as well, and those are asked for by time; many are of the very same instant.
    Index(None, "timestamp", "id"),
)

due = Table(
    "due",
    metadata,
    Column("flow_run_id", Uuid, primary_key=True),
    must("work_pool_id", Uuid),
    must("work_queue_id", Uuid),
    maybe("deployment_id", Uuid),
    must("due_at", UtcDateTime),
    # True until the run was marked Late, or where it never is (a retry that waits is not late).
    must("watch_late", Boolean),
    Index(None, "work_queue_id", "due_at", "flow_run_id"),
    Index(None, "work_queue_id", "deployment_id", "due_at", "flow_run_id"),
    Index(None, "work_pool_id", "due_at"),
    Index(None, "watch_late", "due_at"),
)

attempts = Table(
    "attempts",
    metadata,
    key(),
    must("flow_run_id", Uuid),
    must("work_pool_id", Uuid),
    must("work_queue_id", Uuid),
    maybe("deployment_id", Uuid),
    must("provider_type", Text),
    must("phase", Text),
    must("claimed_at", UtcDateTime),
    must("lease_owner", Uuid),
    must("lease_until", UtcDateTime),
    # When observe has to look at it next.
    must("look_at", UtcDateTime),
    must("launch_calls", Integer),
    must("reports", Boolean),
    maybe("request", Text),
    maybe("handle", Text),
    maybe("launched_at", UtcDateTime),
    maybe("nonce_hash", Text),
    maybe("instance", Text),
    maybe("token_hash", Text),
    maybe("admitted_at", UtcDateTime),
    maybe("heartbeat_at", UtcDateTime),
    maybe("deadline_at", UtcDateTime),
    # Why it is to be stopped (cancelled, gave-up, …), and since when; its slot stays occupied until it is gone.
    maybe("stop", Text),
    maybe("stop_message", Text),
    maybe("stop_at", UtcDateTime),
    maybe("provider_phase", Text),
    must("output_offset", BigInteger),
    UniqueConstraint("flow_run_id"),
    Index(None, "work_pool_id", "work_queue_id"),
    Index(None, "deployment_id"),
    Index(None, "look_at"),
    Index(None, "token_hash"),
)

ended_attempts = Table(
    "ended_attempts",
    metadata,
    key(),
    must("flow_run_id", Uuid),
    must("work_pool_id", Uuid),
    must("provider_type", Text),
    maybe("request", Text),
    maybe("handle", Text),
    maybe("instance", Text),
    maybe("token_hash", Text),
    must("ended_at", UtcDateTime),
    must("output_offset", BigInteger),
    must("reports", Boolean),
    must("reported_end", Boolean),
    # When the provider is to be cleaned up; null once that is done.
    maybe("cleanup_at", UtcDateTime),
    Index(None, "cleanup_at"),
    Index(None, "flow_run_id"),
    Index(None, "ended_at"),
    Index(None, "token_hash"),
)

flow_run_timeline = Table(
    "flow_run_timeline",
    metadata,
    key(),
    must("flow_run_id", Uuid),
    maybe("attempt_id", Uuid),
    must("at", UtcDateTime),
    must("kind", Text),
    must("message", Text),
    maybe("remedy", Text),
    Index(None, "flow_run_id", "at"),
)

log_batches = Table(
    "log_batches",
    metadata,
    key(),
    maybe("flow_run_id", Uuid),
    must("first_at", UtcDateTime),
    must("last_at", UtcDateTime),
    must("max_level", Integer),
    must("lines", Integer),
    must("body", LargeBinary),
    Index(None, "flow_run_id", "first_at"),
    Index(None, "first_at"),
)

variables = Table(
    "variables",
    metadata,
    key(),
    *times(),
    Column("name", Text, nullable=False, unique=True),
    maybe("value", Json),
    must("tags", Json),
)

block_types = Table(
    "block_types",
    metadata,
    key(),
    *times(),
    must("name", Text),
    Column("slug", Text, nullable=False, unique=True),
    maybe("logo_url", Text),
    maybe("documentation_url", Text),
    maybe("description", Text),
    maybe("code_example", Text),
    must("is_protected", Boolean),
)

block_schemas = Table(
    "block_schemas",
    metadata,
    key(),
    *times(),
    must("block_type_id", Uuid),
    must("checksum", Text),
    must("fields", Json),
    must("capabilities", Json),
    must("version", Text),
    UniqueConstraint("checksum", "version"),
    Index(None, "block_type_id", "created"),
)

block_documents = Table(
    "block_documents",
    metadata,
    key(),
    *times(),
    must("block_type_id", Uuid),
    must("block_schema_id", Uuid),
    maybe("name", Text),
    must("is_anonymous", Boolean),
    must("data", Text),  # sealed as a whole
    UniqueConstraint("block_type_id", "name"),
)
