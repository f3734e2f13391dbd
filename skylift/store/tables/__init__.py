"""The tables. Portable on purpose: keys made by us, no foreign keys, triggers, sequences or partial indexes."""

from __future__ import annotations

from skylift.store.tables import limits as limits
from skylift.store.tables import recorded as recorded
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
    variables,
    work_pools,
    work_queues,
)

__all__ = [
    "attempts",
    "block_documents",
    "block_schemas",
    "block_types",
    "deployment_schedules",
    "deployments",
    "due",
    "ended_attempts",
    "flow_run_states",
    "flow_run_timeline",
    "flow_runs",
    "flows",
    "installation",
    "log_batches",
    "metadata",
    "quota_buckets",
    "schedule_slots",
    "variables",
    "work_pools",
    "work_queues",
]
