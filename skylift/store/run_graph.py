"""The graph of a flow run: its task runs and subflows, what waited for what, and the artifacts of each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, and_, select

from skylift.errors import InvalidError
from skylift.models.states import StateType
from skylift.models.ui import Edge, Graph, GraphArtifact, GraphState, Node
from skylift.store import runs
from skylift.store.engine import Tx
from skylift.store.tables import artifact_collections, artifacts, flow_runs, flows, task_runs

MOST_NODES = MOST_ARTIFACTS = 10_000
_PARENTS = "__parents__"
"""The input by which the dialect's clients name the tasks that a task was called within."""


def read(tx: Tx, flow_run_id: UUID, since: datetime) -> Graph:
    """The graph, without what ended before `since`. Raises `NotFoundError`, `InvalidError` where it is too large."""
    run = runs.by_id(tx, flow_run_id)
    tasks = tx.all(
        select(
            *(task_runs.c[name] for name in ("id", "name", "state_type", "task_inputs")),
            *(task_runs.c[name] for name in ("start_time", "expected_start_time", "end_time")),
        )
        .where(task_runs.c.flow_run_id == flow_run_id)
        .limit(MOST_NODES + 1)
    )
    if len(tasks) > MOST_NODES:
        raise InvalidError(f"The graph of flow run {flow_run_id} has more than {MOST_NODES} nodes")
    left = _artifacts(tx, flow_run_id)
    nodes = [each for each in _nodes(tasks, _subflows(tx, flow_run_id), left) if _is_shown(each, since)]
    nodes.sort(key=lambda node: (node.start_time, node.end_time or datetime.max.replace(tzinfo=UTC), node.id))
    return Graph(
        start_time=run.start_time or run.expected_start_time,
        end_time=run.end_time,
        root_node_ids=[node.id for node in nodes if not node.parents],
        nodes=[(node.id, node) for node in nodes],
        artifacts=left.get(None, []),
        states=[
            GraphState(id=each.id, timestamp=each.timestamp, type=each.type, name=each.name)
            for each in runs.history(tx, flow_run_id)
        ],
    )


def _is_shown(node: Node, since: datetime) -> bool:
    return node.end_time is None or node.end_time >= since


def _nodes(
    tasks: Sequence[Row[Any]], subflows: dict[UUID, Row[Any]], left: dict[UUID | None, list[GraphArtifact]]
) -> list[Node]:
    """Where a task run stands for a subflow, that is the node."""
    node_of = {task.id: subflows[task.id].id if task.id in subflows else task.id for task in tasks}
    parents: dict[UUID, list[UUID]] = {}
    around: dict[UUID, list[UUID]] = {}
    children: dict[UUID, list[UUID]] = defaultdict(list)
    for task in tasks:
        inputs = task.task_inputs or {}
        before = _named(each for name, each in inputs.items() if name != _PARENTS)
        parents[task.id] = [node_of[each] for each in before if each in node_of]
        around[task.id] = [node_of[each] for each in _named([inputs.get(_PARENTS)]) if each in node_of]
        for parent in parents[task.id]:
            children[parent].append(node_of[task.id])
    return [
        _node(
            task,
            subflows.get(task.id),
            parents=_edges(parents[task.id]),
            children=_edges(children[node_of[task.id]]),
            encapsulating=_edges(around[task.id]),
            artifacts=left.get(task.id, []),
        )
        for task in tasks
    ]


def _node(task: Row[Any], subflow: Row[Any] | None, **beside: Any) -> Node:
    at_once = task.expected_start_time if task.state_type == StateType.COMPLETED else None
    if subflow is None:
        start, end = task.start_time or task.expected_start_time, task.end_time or at_once
        return Node(
            kind="task-run",
            id=task.id,
            label=task.name,
            state_type=task.state_type,
            start_time=start,
            end_time=end,
            **beside,
        )
    return Node(
        kind="flow-run",
        id=subflow.id,
        label=f"{subflow.flow_name} / {subflow.name}",
        state_type=subflow.state_type,
        start_time=subflow.start_time or subflow.expected_start_time,
        end_time=subflow.end_time or task.end_time or at_once,
        **beside,
    )


def _edges(ids: Iterable[UUID]) -> list[Edge]:
    return [Edge(id=each) for each in dict.fromkeys(ids)]


def _named(inputs: Iterable[Any]) -> list[UUID]:
    """The runs that a task's inputs name. They are what a client sent: anything may be in there."""
    found = []
    for each in inputs:
        for entry in each if isinstance(each, list) else ():
            try:
                found.append(UUID(str(entry["id"])))
            except (KeyError, TypeError, ValueError):
                continue
    return found


def _subflows(tx: Tx, flow_run_id: UUID) -> dict[UUID, Row[Any]]:
    """By the task run that stands for each."""
    columns = ("id", "name", "state_type", "start_time", "expected_start_time", "end_time", "parent_task_run_id")
    theirs = select(task_runs.c.id).where(task_runs.c.flow_run_id == flow_run_id)
    rows = tx.all(
        select(*(flow_runs.c[name] for name in columns), flows.c.name.label("flow_name"))
        .join(flows, flows.c.id == flow_runs.c.flow_id)
        .where(flow_runs.c.parent_task_run_id.in_(theirs))
    )
    return {row.parent_task_run_id: row for row in rows}


def _artifacts(tx: Tx, flow_run_id: UUID) -> dict[UUID | None, list[GraphArtifact]]:
    """By task run; None: the flow run's own. Results are not shown, and the data of progress only."""
    newest = and_(artifact_collections.c.key == artifacts.c.key, artifact_collections.c.latest_id == artifacts.c.id)
    rows = tx.all(
        select(
            *(artifacts.c[name] for name in ("id", "created", "key", "type", "data", "task_run_id")),
            artifact_collections.c.id.label("collection"),
        )
        .join(artifact_collections, newest, isouter=True)
        .where(artifacts.c.flow_run_id == flow_run_id, artifacts.c.type != "result")
        .order_by(artifacts.c.created, artifacts.c.id)
        .limit(MOST_ARTIFACTS)
    )
    found: dict[UUID | None, list[GraphArtifact]] = defaultdict(list)
    for row in rows:
        found[row.task_run_id].append(
            GraphArtifact(
                id=row.id,
                created=row.created,
                key=row.key,
                type=row.type,
                is_latest=row.key is None or row.collection is not None,
                data=row.data if row.type == "progress" else None,
            )
        )
    return found
