"""What can be asked of each resource: its fields and their operators, its sorts, and the resources related to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy import Table

from skylift.store import tables
from skylift.store.filter_terms import (
    EXISTS,
    FLAGS,
    IDS,
    KEYS,
    LIKE,
    NAMES,
    NUMBERS,
    STATE_TYPES,
    TAGS,
    TEXTS,
    TIMES,
    Fields,
)

Link = tuple[str, str]
"""(own column, the related resource's column) that are equal where two rows belong together."""


@dataclass(frozen=True, slots=True)
class Resource:
    """What can be asked of one table."""

    table: Table
    fields: Fields
    sorts: tuple[str, ...]
    """Columns that may be sorted by, `_ASC` or `_DESC`; the first sort is the default."""
    default_sort: str
    links: Mapping[str, Link] = field(default_factory=dict)
    columns: Mapping[str, str] = field(default_factory=dict)
    """Fields whose column has another name."""
    through: Mapping[str, tuple[str, str, str]] = field(default_factory=dict)
    """Fields of a related row: (own column, the other table, its column)."""
    by_way_of: Mapping[str, str] = field(default_factory=dict)
    """Resources that are two steps away, and the one between."""
    either: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Fields that ask whether one of two has it: an own column, and one of `through`."""
    referred: Mapping[str, tuple[str, str, str]] = field(default_factory=dict)
    """Fields that ask whether there is a row that refers to this one: (own column, the other table, its column)."""


_TIMES = ("created", "updated")
_OF_ARTIFACTS = {"key": KEYS, "flow_run_id": IDS, "task_run_id": IDS, "type": TEXTS}
_QUEUE_NAME = {"work_queue_name": ("work_queue_id", "work_queues", "name")}
_FLOW_NAME = {"flow_name": ("flow_id", "flows", "name")}
_STATE = {"state.type": "state_type", "state.name": "state_name"}
_PARENT = {"parent_flow_run_id": ("parent_task_run_id", "task_runs", "flow_run_id")}

RESOURCES: Mapping[str, Resource] = {
    "flows": Resource(
        tables.flows,
        {"id": IDS, "name": NAMES, "tags": TAGS},
        ("name", *_TIMES),
        "NAME_ASC",
        {"flow_runs": ("id", "flow_id"), "deployments": ("id", "flow_id")},
        by_way_of={"work_pools": "deployments", "task_runs": "flow_runs"},
    ),
    "deployments": Resource(
        tables.deployments,
        {
            "id": IDS,
            "name": NAMES,
            "flow_or_deployment_name": LIKE,
            "flow_id": IDS,
            "tags": TAGS,
            "paused": FLAGS,
            "work_pool_id": IDS,
            "work_queue_id": IDS,
            "work_queue_name": TEXTS,
            "concurrency_limit": NUMBERS,
        },
        ("name", *_TIMES),
        "NAME_ASC",
        {
            "flows": ("flow_id", "id"),
            "flow_runs": ("id", "deployment_id"),
            "work_pools": ("work_pool_id", "id"),
            "work_queues": ("work_queue_id", "id"),
            "work_pool_queues": ("work_queue_id", "id"),
        },
        through=_QUEUE_NAME | _FLOW_NAME,
        either={"flow_or_deployment_name": ("name", "flow_name")},
        by_way_of={"task_runs": "flow_runs"},
    ),
    "flow_runs": Resource(
        tables.flow_runs,
        {
            "id": IDS,
            "name": NAMES,
            "tags": TAGS,
            "flow_id": IDS,
            "deployment_id": IDS,
            "work_pool_id": IDS,
            "work_queue_id": IDS,
            "work_queue_name": TEXTS,
            "state.type": STATE_TYPES,
            "state.name": TEXTS,
            "flow_version": TEXTS,
            "start_time": TIMES,
            "end_time": TIMES,
            "expected_start_time": TIMES,
            "next_scheduled_start_time": TIMES,
            "parent_task_run_id": IDS,
            "parent_flow_run_id": IDS,
            "idempotency_key": TEXTS,
            "auto_scheduled": FLAGS,
        },
        ("id", "start_time", "expected_start_time", "name", "next_scheduled_start_time", "end_time", *_TIMES),
        "ID_DESC",
        {
            "flows": ("flow_id", "id"),
            "deployments": ("deployment_id", "id"),
            "work_pools": ("work_pool_id", "id"),
            "work_queues": ("work_queue_id", "id"),
            "work_pool_queues": ("work_queue_id", "id"),
            "task_runs": ("id", "flow_run_id"),
        },
        columns=_STATE,
        through=_QUEUE_NAME | _PARENT,
    ),
    "task_runs": Resource(
        tables.task_runs,
        {
            "id": IDS,
            "name": NAMES,
            "tags": TAGS,
            "flow_run_id": IDS,
            "state.type": STATE_TYPES,
            "state.name": TEXTS,
            "start_time": TIMES,
            "end_time": TIMES,
            "expected_start_time": TIMES,
            "subflow_runs": EXISTS,
        },
        ("id", "expected_start_time", "name", "next_scheduled_start_time", "start_time", "end_time", *_TIMES),
        "ID_DESC",
        {"flow_runs": ("flow_run_id", "id")},
        columns=_STATE,
        by_way_of=dict.fromkeys(("flows", "deployments", "work_pools", "work_queues", "work_pool_queues"), "flow_runs"),
        referred={"subflow_runs": ("id", "flow_runs", "parent_task_run_id")},
    ),
    "work_pools": Resource(
        tables.work_pools,
        {"id": IDS, "name": NAMES, "type": TEXTS},
        ("name", *_TIMES),
        "NAME_ASC",
        {"work_queues": ("id", "work_pool_id"), "deployments": ("id", "work_pool_id")},
    ),
    "work_queues": Resource(
        tables.work_queues,
        {"id": IDS, "name": NAMES, "work_pool_id": IDS},
        ("priority", "name", *_TIMES),
        "PRIORITY_ASC",
        {"work_pools": ("work_pool_id", "id")},
    ),
    "variables": Resource(
        tables.variables,
        {"id": IDS, "name": NAMES, "tags": TAGS},
        ("name", *_TIMES),
        "NAME_ASC",
    ),
    "block_types": Resource(
        tables.block_types,
        {"id": IDS, "name": NAMES, "slug": TEXTS},
        ("name", *_TIMES),
        "NAME_ASC",
        {"block_schemas": ("id", "block_type_id")},
    ),
    "block_schemas": Resource(
        tables.block_schemas,
        {"id": IDS, "block_type_id": IDS, "block_capabilities": TAGS, "version": TEXTS},
        _TIMES,
        "CREATED_DESC",
        {"block_types": ("block_type_id", "id")},
        columns={"block_capabilities": "capabilities"},
    ),
    "block_documents": Resource(
        tables.block_documents,
        {"id": IDS, "is_anonymous": FLAGS, "block_type_id": IDS, "name": NAMES},
        ("name", "block_type_and_name", *_TIMES),
        "NAME_ASC",
        {"block_types": ("block_type_id", "id"), "block_schemas": ("block_schema_id", "id")},
    ),
    "artifacts": Resource(
        tables.artifacts,
        {"id": IDS, **_OF_ARTIFACTS},
        ("id", "key", *_TIMES),
        "ID_DESC",
        {"flow_runs": ("flow_run_id", "id"), "task_runs": ("task_run_id", "id")},
        by_way_of={"flows": "flow_runs", "deployments": "flow_runs"},
    ),
    "artifact_collections": Resource(
        tables.artifact_collections,
        {"latest_id": IDS, **_OF_ARTIFACTS},
        ("id", "key", *_TIMES),
        "ID_DESC",
        {"flow_runs": ("flow_run_id", "id"), "task_runs": ("task_run_id", "id")},
        by_way_of={"flows": "flow_runs", "deployments": "flow_runs"},
    ),
    "workers": Resource(
        tables.workers,
        {"id": IDS, "name": NAMES, "last_heartbeat_time": TIMES},
        ("last_heartbeat_time", "name", *_TIMES),
        "LAST_HEARTBEAT_TIME_DESC",
    ),
}

# What one resource is called when another is asked through it.
ALIASES = {"work_pool_queues": "work_queues"}

SORTED_BY_SEVERAL = {"block_type_and_name": ("block_type_id", "name")}
