"""What is shown of runs and deployments beside their own rows: states, and names of what they belong to; by a statement
for any number of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, bindparam, select

from skylift.store.engine import Tx
from skylift.store.tables import (
    deployment_polls,
    deployments,
    flow_run_states,
    flow_runs,
    flows,
    work_pools,
    work_queues,
)

_OF_RUNS = (
    select(flow_run_states, work_pools.c.name.label("work_pool_name"), work_queues.c.name.label("work_queue_name"))
    .join(flow_runs, flow_runs.c.id == flow_run_states.c.flow_run_id)
    .outerjoin(work_pools, work_pools.c.id == flow_runs.c.work_pool_id)
    .outerjoin(work_queues, work_queues.c.id == flow_runs.c.work_queue_id)
    .where(flow_run_states.c.id.in_(bindparam("ids", expanding=True)))
)
_OF_DEPLOYMENTS = (
    select(
        deployments.c.id,
        flows.c.name.label("flow_name"),
        work_pools.c.name.label("work_pool_name"),
        work_pools.c.type.label("work_pool_type"),
        work_queues.c.name.label("work_queue_name"),
        work_queues.c.last_polled.label("queue_polled"),
        deployment_polls.c.last_polled,
    )
    .outerjoin(flows, flows.c.id == deployments.c.flow_id)
    .outerjoin(work_pools, work_pools.c.id == deployments.c.work_pool_id)
    .outerjoin(work_queues, work_queues.c.id == deployments.c.work_queue_id)
    .outerjoin(deployment_polls, deployment_polls.c.deployment_id == deployments.c.id)
    .where(deployments.c.id.in_(bindparam("ids", expanding=True)))
)


def of_runs(tx: Tx, rows: Sequence[Row[Any]]) -> dict[UUID, Row[Any]]:
    """By the ids of the states that these runs are in: the state, and the names of work pool and queue."""
    return _by_id(tx, _OF_RUNS, [row.state_id for row in rows])


def of_deployments(tx: Tx, rows: Sequence[Row[Any]]) -> dict[UUID, Row[Any]]:
    """By deployment: the names of its flow, work pool (and its type) and queue, and when those were last polled."""
    return _by_id(tx, _OF_DEPLOYMENTS, [row.id for row in rows])


def _by_id(tx: Tx, query: Any, ids: list[UUID]) -> dict[UUID, Row[Any]]:
    return {row.id: row for row in tx.all(query, {"ids": ids})} if ids else {}
