"""What only web pages ask for: figures and points of lists, and the graph of a run."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from skylift.models.base import Instant, JsonObject
from skylift.models.states import StateType
from skylift.models.task_runs import TaskRun

Ids = Annotated[list[UUID], Field(max_length=200)]


class FlowRunIds(BaseModel):
    flow_run_ids: Ids


class FlowIds(BaseModel):
    flow_ids: Ids


class RunPoint(BaseModel):
    """A run as a point of a chart."""

    id: UUID
    state_type: StateType
    timestamp: Instant
    """When it started, or is expected to."""
    duration: float
    """Seconds."""
    lateness: float
    """Seconds."""


class NextRun(BaseModel):
    """The first run of a flow that still has to start."""

    id: UUID
    flow_id: UUID
    name: str
    state_name: str
    state_type: StateType
    next_scheduled_start_time: Instant


class NamedTaskRun(TaskRun):
    """A task run, and of which flow run it is."""

    flow_run_name: str | None


class FormValues(BaseModel):
    """Values for a form, and the schema that they should fit."""

    json_schema: JsonObject = Field(alias="schema")
    values: JsonObject


class PropertyFaults(BaseModel):
    property: str
    errors: list[Fault]


class IndexFaults(BaseModel):
    index: int
    errors: list[Fault]


Fault = str | PropertyFaults | IndexFaults


class FormVerdict(BaseModel):
    """What is wrong with a form's values, by where it is."""

    errors: list[Fault]
    valid: bool


class Edge(BaseModel):
    id: UUID


class GraphArtifact(BaseModel):
    id: UUID
    created: Instant
    key: str | None
    type: str | None
    is_latest: bool
    data: Any
    """Of progress only."""


class GraphState(BaseModel):
    id: UUID
    timestamp: Instant
    type: StateType
    name: str


class Node(BaseModel):
    """A task run, or the flow run that a task run stands for."""

    kind: Literal["flow-run", "task-run"]
    id: UUID
    label: str
    state_type: StateType
    start_time: Instant
    end_time: Instant | None
    parents: list[Edge]
    children: list[Edge]
    encapsulating: list[Edge]
    artifacts: list[GraphArtifact]


class Graph(BaseModel):
    """What ran within a flow run, what waited for what, and what it left."""

    start_time: Instant | None
    end_time: datetime | None
    root_node_ids: list[UUID]
    nodes: list[tuple[UUID, Node]]
    artifacts: list[GraphArtifact]
    states: list[GraphState]
