"""The tables. Portable on purpose: keys made by us, no foreign keys, triggers, sequences or partial indexes.

Two narrow tables carry the hot paths, and their rows leave when done, so that no query's cost grows with history:
`due` holds every run that waits to be claimed, `attempts` every one that occupies a slot.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
)
from sqlalchemy.types import TypeEngine

from skylift.store.types import Json, UtcDateTime

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _key() -> Column[Any]:
    return Column("id", Uuid, primary_key=True)


def _times() -> tuple[Column[Any], Column[Any]]:
    return Column("created", UtcDateTime, nullable=False), Column("updated", UtcDateTime, nullable=False)


def _maybe(name: str, type_: type[TypeEngine[Any]] | TypeEngine[Any]) -> Column[Any]:
    return Column(name, type_, nullable=True)


def _must(name: str, type_: type[TypeEngine[Any]] | TypeEngine[Any]) -> Column[Any]:
    return Column(name, type_, nullable=False)


installation = Table(
    "installation",
    metadata,
    # There is one row, and its name is what keeps a second one out.
    Column("name", Text, primary_key=True),
    _must("id", Uuid),
    _must("created", UtcDateTime),
)

work_pools = Table(
    "work_pools",
    metadata,
    _key(),
    *_times(),
    Column("name", Text, nullable=False, unique=True),
    _must("type", Text),
    _maybe("description", Text),
    _must("base_job_template", Json),
    _must("is_paused", Boolean),
    _maybe("concurrency_limit", Integer),
    _must("default_queue_id", Uuid),
    _maybe("storage_configuration", Json),
    _must("settings", Json),
    # A claim updates this first: that is what serialises claimers, also under snapshot isolation.
    _must("claims", Integer),
    # The earliest wakeup under way for this pool: a thousand new runs are one wakeup.
    _maybe("wakeup_at", UtcDateTime),
)

work_queues = Table(
    "work_queues",
    metadata,
    _key(),
    *_times(),
    _must("work_pool_id", Uuid),
    _must("name", Text),
    _maybe("description", Text),
    _must("priority", Integer),
    _maybe("concurrency_limit", Integer),
    _must("is_paused", Boolean),
    _maybe("last_polled", UtcDateTime),
    UniqueConstraint("work_pool_id", "name"),
    UniqueConstraint("work_pool_id", "priority"),
)

quota_buckets = Table(
    "quota_buckets",
    metadata,
    Column("key", Text, primary_key=True),
    _must("tokens", Float),
    _must("filled_at", UtcDateTime),
)

flows = Table(
    "flows",
    metadata,
    _key(),
    *_times(),
    Column("name", Text, nullable=False, unique=True),
    _must("tags", Json),
    _must("labels", Json),
)

deployments = Table(
    "deployments",
    metadata,
    _key(),
    *_times(),
    _must("flow_id", Uuid),
    _must("name", Text),
    _maybe("description", Text),
    _maybe("version", Text),
    _must("tags", Json),
    _must("labels", Json),
    _must("paused", Boolean),
    _must("parameters", Json),
    _maybe("parameter_openapi_schema", Json),
    _must("enforce_parameter_schema", Boolean),
    _must("job_variables", Json),
    _maybe("work_pool_id", Uuid),
    _maybe("work_queue_id", Uuid),
    _maybe("concurrency_limit", Integer),
    _maybe("collision_strategy", Text),
    _must("engine", Text),
    _maybe("entrypoint", Text),
    _maybe("path", Text),
    _maybe("pull_steps", Json),
    _must("claims", Integer),
    UniqueConstraint("flow_id", "name"),
    Index(None, "work_pool_id"),
)

deployment_schedules = Table(
    "deployment_schedules",
    metadata,
    _key(),
    *_times(),
    _must("deployment_id", Uuid),
    _must("active", Boolean),
    _must("schedule", Json),
    _must("parameters", Json),
    _maybe("slug", Text),
    _maybe("max_scheduled_runs", Integer),
    _maybe("catchup_seconds", Float),
    # The slug or the schedule's content hash: what a slot belongs to, whatever redeploys do to this row.
    _must("identity", Text),
    # Every slot up to here is in the ledger, made or skipped.
    _must("cursor", UtcDateTime),
    # When the ledger must be continued; null while the schedule or its deployment is off.
    _maybe("tick_at", UtcDateTime),
    UniqueConstraint("deployment_id", "identity"),
    Index(None, "tick_at"),
)

schedule_slots = Table(
    "schedule_slots",
    metadata,
    Column("deployment_id", Uuid, primary_key=True),
    Column("identity", Text, primary_key=True),
    Column("slot", UtcDateTime, primary_key=True),
    _maybe("flow_run_id", Uuid),
    _maybe("skipped", Text),
)

flow_runs = Table(
    "flow_runs",
    metadata,
    _key(),
    *_times(),
    _must("flow_id", Uuid),
    _maybe("deployment_id", Uuid),
    _maybe("deployment_version", Text),
    _must("name", Text),
    _must("parameters", Json),
    _must("job_variables", Json),
    _must("context", Json),
    _must("tags", Json),
    _must("labels", Json),
    _must("empirical_policy", Json),
    _maybe("flow_version", Text),
    _maybe("idempotency_key", Text),
    _maybe("parent_task_run_id", Uuid),
    _must("auto_scheduled", Boolean),
    _maybe("created_by", Json),
    _maybe("work_pool_id", Uuid),
    _maybe("work_queue_id", Uuid),
    _maybe("infrastructure_pid", Text),
    _must("state_id", Uuid),
    _must("state_type", Text),
    _must("state_name", Text),
    _must("state_timestamp", UtcDateTime),
    _must("run_count", Integer),
    _must("expected_start_time", UtcDateTime),
    _maybe("next_scheduled_start_time", UtcDateTime),
    _maybe("start_time", UtcDateTime),
    _maybe("end_time", UtcDateTime),
    _must("total_run_time", Float),
    # Launches that infrastructure lost before user code ran, and launches refused for now: neither is a user's retry.
    _must("infrastructure_retries", Integer),
    _must("launch_delays", Integer),
    UniqueConstraint("flow_id", "idempotency_key"),
    Index(None, "expected_start_time"),
    Index(None, "state_type", "expected_start_time"),
    Index(None, "state_name", "expected_start_time"),
    Index(None, "deployment_id", "state_type", "expected_start_time"),
    Index(None, "flow_id", "expected_start_time"),
    Index(None, "work_pool_id", "state_type"),
)

flow_run_states = Table(
    "flow_run_states",
    metadata,
    _key(),
    _must("flow_run_id", Uuid),
    _must("timestamp", UtcDateTime),
    _must("type", Text),
    _must("name", Text),
    _maybe("message", Text),
    _maybe("data", Json),
    _must("state_details", Json),
    Index(None, "flow_run_id", "timestamp"),
)

due = Table(
    "due",
    metadata,
    Column("flow_run_id", Uuid, primary_key=True),
    _must("work_pool_id", Uuid),
    _must("work_queue_id", Uuid),
    _maybe("deployment_id", Uuid),
    _must("due_at", UtcDateTime),
    # True until the run was marked Late, or where it never is (a retry that waits is not late).
    _must("watch_late", Boolean),
    Index(None, "work_queue_id", "due_at", "flow_run_id"),
    Index(None, "work_pool_id", "due_at"),
    Index(None, "watch_late", "due_at"),
)

attempts = Table(
    "attempts",
    metadata,
    _key(),
    _must("flow_run_id", Uuid),
    _must("work_pool_id", Uuid),
    _must("work_queue_id", Uuid),
    _maybe("deployment_id", Uuid),
    _must("provider_type", Text),
    _must("phase", Text),
    _must("claimed_at", UtcDateTime),
    _must("lease_owner", Uuid),
    _must("lease_until", UtcDateTime),
    # When observe has to look at it next.
    _must("look_at", UtcDateTime),
    _must("launch_calls", Integer),
    _must("reports", Boolean),
    _maybe("request", Text),
    _maybe("handle", Text),
    _maybe("launched_at", UtcDateTime),
    _maybe("nonce_hash", Text),
    _maybe("instance", Text),
    _maybe("token_hash", Text),
    _maybe("admitted_at", UtcDateTime),
    _maybe("heartbeat_at", UtcDateTime),
    _maybe("deadline_at", UtcDateTime),
    # Why it is to be stopped (cancelled, gave-up, …), and since when; its slot stays occupied until it is gone.
    _maybe("stop", Text),
    _maybe("stop_message", Text),
    _maybe("stop_at", UtcDateTime),
    _maybe("provider_phase", Text),
    _must("output_offset", Integer),
    UniqueConstraint("flow_run_id"),
    Index(None, "work_pool_id", "work_queue_id"),
    Index(None, "deployment_id"),
    Index(None, "look_at"),
    Index(None, "token_hash"),
)

ended_attempts = Table(
    "ended_attempts",
    metadata,
    _key(),
    _must("flow_run_id", Uuid),
    _must("work_pool_id", Uuid),
    _must("provider_type", Text),
    _maybe("request", Text),
    _maybe("handle", Text),
    _maybe("instance", Text),
    _maybe("token_hash", Text),
    _must("ended_at", UtcDateTime),
    _must("output_offset", Integer),
    _must("reports", Boolean),
    # When the provider is to be cleaned up; null once that is done.
    _maybe("cleanup_at", UtcDateTime),
    Index(None, "cleanup_at"),
    Index(None, "flow_run_id"),
    Index(None, "ended_at"),
    Index(None, "token_hash"),
)

flow_run_timeline = Table(
    "flow_run_timeline",
    metadata,
    _key(),
    _must("flow_run_id", Uuid),
    _maybe("attempt_id", Uuid),
    _must("at", UtcDateTime),
    _must("kind", Text),
    _must("message", Text),
    _maybe("remedy", Text),
    Index(None, "flow_run_id", "at"),
)

log_batches = Table(
    "log_batches",
    metadata,
    _key(),
    _maybe("flow_run_id", Uuid),
    _must("first_at", UtcDateTime),
    _must("last_at", UtcDateTime),
    _must("max_level", Integer),
    _must("lines", Integer),
    _must("body", LargeBinary),
    Index(None, "flow_run_id", "first_at"),
    Index(None, "first_at"),
)

variables = Table(
    "variables",
    metadata,
    _key(),
    *_times(),
    Column("name", Text, nullable=False, unique=True),
    _maybe("value", Json),
    _must("tags", Json),
)

block_types = Table(
    "block_types",
    metadata,
    _key(),
    *_times(),
    _must("name", Text),
    Column("slug", Text, nullable=False, unique=True),
    _maybe("logo_url", Text),
    _maybe("documentation_url", Text),
    _maybe("description", Text),
    _maybe("code_example", Text),
    _must("is_protected", Boolean),
)

block_schemas = Table(
    "block_schemas",
    metadata,
    _key(),
    *_times(),
    _must("block_type_id", Uuid),
    _must("checksum", Text),
    _must("fields", Json),
    _must("capabilities", Json),
    _must("version", Text),
    UniqueConstraint("checksum", "version"),
    Index(None, "block_type_id", "created"),
)

block_documents = Table(
    "block_documents",
    metadata,
    _key(),
    *_times(),
    _must("block_type_id", Uuid),
    _must("block_schema_id", Uuid),
    _maybe("name", Text),
    _must("is_anonymous", Boolean),
    _must("data", Text),  # sealed as a whole
    UniqueConstraint("block_type_id", "name"),
)
