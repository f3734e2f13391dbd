"""The first tables.

Revision ID: 0001
Revises:

As they were when they first had to outlive a change: nothing here is read from `skylift.store.tables`, which moves on.
"""

from __future__ import annotations

from typing import Any

from alembic import op
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Text,
    UniqueConstraint,
    Uuid,
)

from skylift.store.types import Json, UtcDateTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TYPES = {
    "bigint": BigInteger,
    "bool": Boolean,
    "bytes": LargeBinary,
    "float": Float,
    "int": Integer,
    "json": Json,
    "text": Text,
    "time": UtcDateTime,
    "uuid": Uuid,
}
TABLES = {
    "api_keys": (
        "id uuid, created time, updated time, name text, role text, key_hash text, beginning text, expires time?"
    ),
    "artifact_collections": (
        "id uuid, created time, updated time, key text, latest_id uuid, type text?, flow_run_id uuid?, "
        "task_run_id uuid?"
    ),
    "artifacts": (
        "id uuid, created time, updated time, key text?, type text?, description text?, data json?, "
        "metadata_ json?, flow_run_id uuid?, task_run_id uuid?"
    ),
    "asked_runs": "asked_by uuid, flow_run_id uuid",
    "attempts": (
        "id uuid, flow_run_id uuid, work_pool_id uuid, work_queue_id uuid, deployment_id uuid?, "
        "provider_type text, phase text, claimed_at time, lease_owner uuid, lease_until time, look_at time, "
        "launch_calls int, reports bool, request text?, handle text?, launched_at time?, nonce_hash text?, "
        "instance text?, token_hash text?, admitted_at time?, heartbeat_at time?, deadline_at time?, stop text?, "
        "stop_message text?, stop_at time?, provider_phase text?, output_offset bigint"
    ),
    "block_documents": (
        "id uuid, created time, updated time, block_type_id uuid, block_schema_id uuid, name text?, "
        "is_anonymous bool, data text"
    ),
    "block_schemas": (
        "id uuid, created time, updated time, block_type_id uuid, checksum text, fields json, capabilities json, "
        "version text"
    ),
    "block_types": (
        "id uuid, created time, updated time, name text, slug text, logo_url text?, documentation_url text?, "
        "description text?, code_example text?, is_protected bool"
    ),
    "concurrency_leases": (
        "id uuid, limit_id uuid, created time, expires_at time, slots int, holder_type text?, holder_id uuid?"
    ),
    "concurrency_limits": (
        "id uuid, created time, updated time, name text, limit int, active bool, active_slots float, "
        "denied_slots float, slots_at time, slot_decay_per_second float, avg_slot_occupancy_seconds float"
    ),
    "configuration": "key text, updated time, value json?",
    "deployment_polls": "deployment_id uuid, last_polled time",
    "deployment_schedules": (
        "id uuid, created time, updated time, deployment_id uuid, active bool, schedule json, parameters json, "
        "slug text?, max_scheduled_runs int?, catchup_seconds float?, identity text, cursor time, tick_at time?"
    ),
    "deployments": (
        "id uuid, created time, updated time, flow_id uuid, name text, description text?, version text?, "
        "tags json, labels json, paused bool, parameters json, parameter_openapi_schema json?, "
        "enforce_parameter_schema bool, job_variables json, work_pool_id uuid?, work_queue_id uuid?, "
        "concurrency_limit int?, collision_strategy text?, engine text, entrypoint text?, path text?, "
        "pull_steps json?, claims int"
    ),
    "due": "flow_run_id uuid, work_pool_id uuid, work_queue_id uuid, deployment_id uuid?, due_at time, watch_late bool",
    "ended_attempts": (
        "id uuid, flow_run_id uuid, work_pool_id uuid, provider_type text, request text?, handle text?, "
        "instance text?, token_hash text?, ended_at time, output_offset bigint, reports bool, reported_end bool, "
        "cleanup_at time?"
    ),
    "events": (
        "id uuid, occurred time, received time, event text, resource_id text, resource json, related json, "
        "payload json, follows uuid?, flow_run_id uuid?"
    ),
    "flow_run_inputs": "id uuid, created time, updated time, flow_run_id uuid, key text, value text, sender text?",
    "flow_run_states": (
        "id uuid, flow_run_id uuid, timestamp time, type text, name text, message text?, data json?, state_details json"
    ),
    "flow_run_timeline": "id uuid, flow_run_id uuid, attempt_id uuid?, at time, kind text, message text, remedy text?",
    "flow_runs": (
        "id uuid, created time, updated time, flow_id uuid, deployment_id uuid?, deployment_version text?, "
        "name text, parameters json, job_variables json, context json, tags json, labels json, "
        "empirical_policy json, flow_version text?, idempotency_key text?, parent_task_run_id uuid?, "
        "auto_scheduled bool, created_by json?, work_pool_id uuid?, work_queue_id uuid?, infrastructure_pid text?, "
        "state_id uuid, state_type text, state_name text, state_timestamp time, run_count int, "
        "expected_start_time time, next_scheduled_start_time time?, start_time time?, end_time time?, "
        "total_run_time float, infrastructure_retries int, launch_delays int"
    ),
    "flows": "id uuid, created time, updated time, name text, tags json, labels json",
    "installation": "name text, id uuid, created time",
    "log_batches": "id uuid, flow_run_id uuid?, first_at time, last_at time, max_level int, lines int, body bytes",
    "quota_buckets": "key text, tokens float, filled_at time",
    "schedule_slots": "deployment_id uuid, identity text, slot time, flow_run_id uuid?, skipped text?",
    "task_run_states": (
        "id uuid, task_run_id uuid, timestamp time, type text, name text, message text?, data json?, state_details json"
    ),
    "task_runs": (
        "id uuid, created time, updated time, name text, flow_run_id uuid?, task_key text, dynamic_key text, "
        "cache_key text?, cache_expiration time?, task_version text?, empirical_policy json, tags json, "
        "labels json, task_inputs json, state_id uuid, state_type text, state_name text, state_timestamp time, "
        "state_order text, run_count int, flow_run_run_count int, expected_start_time time, "
        "next_scheduled_start_time time?, start_time time?, end_time time?, total_run_time float"
    ),
    "variables": "id uuid, created time, updated time, name text, value json?, tags json",
    "webhook_deliveries": (
        "id uuid, webhook_id uuid, received time, dedupe_key text, outcome text, flow_run_id uuid?, reason text?"
    ),
    "webhooks": (
        "id uuid, created time, updated time, name text, deployment_id uuid, kind text, secrets text, "
        "previous_until time?, template json?, replay_window int, active bool"
    ),
    "work_pools": (
        "id uuid, created time, updated time, name text, type text, description text?, base_job_template json, "
        "is_paused bool, concurrency_limit int?, default_queue_id uuid, storage_configuration json?, "
        "settings json, claims int, wakeup_at time?"
    ),
    "work_queues": (
        "id uuid, created time, updated time, work_pool_id uuid, name text, description text?, priority int, "
        "concurrency_limit int?, is_paused bool, last_polled time?"
    ),
    "workers": (
        "id uuid, created time, updated time, work_pool_id uuid, name text, last_heartbeat_time time, "
        "heartbeat_interval_seconds int?, offline_at time"
    ),
}
"""By name, the columns with their types; `?`: may be NULL."""
PRIMARY_KEYS = {
    "asked_runs": "asked_by flow_run_id",
    "concurrency_leases": "id limit_id",
    "configuration": "key",
    "deployment_polls": "deployment_id",
    "due": "flow_run_id",
    "installation": "name",
    "quota_buckets": "key",
    "schedule_slots": "deployment_id identity slot",
}
"""Where it is not the id."""
UNIQUE = {
    "api_keys": ["key_hash", "name"],
    "artifact_collections": ["key"],
    "attempts": ["flow_run_id"],
    "block_documents": ["block_type_id name"],
    "block_schemas": ["checksum version"],
    "block_types": ["slug"],
    "concurrency_limits": ["name"],
    "deployment_schedules": ["deployment_id identity"],
    "deployments": ["flow_id name"],
    "flow_run_inputs": ["flow_run_id key"],
    "flow_runs": ["flow_id idempotency_key"],
    "flows": ["name"],
    "task_runs": ["flow_run_id dynamic_key task_key"],
    "variables": ["name"],
    "webhook_deliveries": ["webhook_id dedupe_key"],
    "webhooks": ["name"],
    "work_pools": ["name"],
    "work_queues": ["work_pool_id name", "work_pool_id priority"],
    "workers": ["work_pool_id name"],
}
INDEXES = {
    "artifact_collections": ["latest_id"],
    "artifacts": ["created", "flow_run_id", "key created", "task_run_id"],
    "asked_runs": ["flow_run_id"],
    "attempts": ["deployment_id", "look_at", "token_hash", "work_pool_id work_queue_id"],
    "block_schemas": ["block_type_id created"],
    "concurrency_leases": ["expires_at", "holder_id", "limit_id expires_at"],
    "deployment_schedules": ["tick_at"],
    "deployments": ["work_pool_id"],
    "due": ["watch_late due_at", "work_pool_id due_at", "work_queue_id due_at flow_run_id"],
    "ended_attempts": ["cleanup_at", "ended_at", "flow_run_id", "token_hash"],
    "events": ["flow_run_id occurred", "occurred id", "received", "resource_id occurred"],
    "flow_run_inputs": ["flow_run_id created"],
    "flow_run_states": ["flow_run_id timestamp", "timestamp id"],
    "flow_run_timeline": ["flow_run_id at"],
    "flow_runs": [
        "deployment_id state_type expected_start_time",
        "end_time id",
        "expected_start_time",
        "flow_id expected_start_time",
        "parent_task_run_id",
        "state_name expected_start_time",
        "state_type expected_start_time",
        "work_pool_id state_type",
    ],
    "log_batches": ["first_at", "flow_run_id first_at"],
    "schedule_slots": ["slot"],
    "task_run_states": ["task_run_id timestamp"],
    "task_runs": ["expected_start_time", "flow_run_id expected_start_time", "state_type expected_start_time"],
    "webhook_deliveries": ["received", "webhook_id received id"],
    "workers": ["work_pool_id offline_at"],
}


def upgrade() -> None:
    for table, columns in TABLES.items():
        key = PRIMARY_KEYS.get(table, "id").split()
        op.create_table(
            table,
            *map(_column, columns.split(", ")),
            PrimaryKeyConstraint(*key, name=f"pk_{table}"),
            *(UniqueConstraint(*each.split(), name=_name("uq", table, each)) for each in UNIQUE.get(table, ())),
        )
        for each in INDEXES.get(table, ()):
            op.create_index(_name("ix", table, each), table, each.split())


def _column(text: str) -> Column[Any]:
    name, kind = text.split()
    return Column(name, TYPES[kind.removesuffix("?")](), nullable=kind.endswith("?"))


def _name(kind: str, table: str, columns: str) -> str:
    return "_".join([kind, table, *columns.split()])
