"""The tables. Portable on purpose: keys made by us, no foreign keys, triggers, sequences or partial indexes.

A change here goes with a step in `skylift/store/migrations/versions` and its number in `schema_version.py`.
"""

from __future__ import annotations

from skylift.store.tables.access import api_keys, asked_runs
from skylift.store.tables.artifacts import artifact_collections, artifacts
from skylift.store.tables.base import metadata
from skylift.store.tables.engine import (
    attempts,
    block_documents,
    block_schemas,
    block_types,
    deployment_schedules,
    deployments,
    due,
    ended_attempts,
    flow_run_states,
    flow_run_timeline,
    flow_runs,
    flows,
    installation,
    log_batches,
    quota_buckets,
    schedule_slots,
    throttles,
    variables,
    work_pools,
    work_queues,
)
from skylift.store.tables.inputs import flow_run_inputs
from skylift.store.tables.limits import (
    concurrency_leases,
    concurrency_limits,
    configuration,
    deployment_polls,
    workers,
)
from skylift.store.tables.recorded import events, task_run_states, task_runs
from skylift.store.tables.webhooks import webhook_deliveries, webhooks

__all__ = [
    "api_keys",
    "artifact_collections",
    "artifacts",
    "asked_runs",
    "attempts",
    "block_documents",
    "block_schemas",
    "block_types",
    "concurrency_leases",
    "concurrency_limits",
    "configuration",
    "deployment_polls",
    "deployment_schedules",
    "deployments",
    "due",
    "ended_attempts",
    "events",
    "flow_run_inputs",
    "flow_run_states",
    "flow_run_timeline",
    "flow_runs",
    "flows",
    "installation",
    "log_batches",
    "metadata",
    "quota_buckets",
    "schedule_slots",
    "task_run_states",
    "task_runs",
    "throttles",
    "variables",
    "webhook_deliveries",
    "webhooks",
    "work_pools",
    "work_queues",
    "workers",
]
