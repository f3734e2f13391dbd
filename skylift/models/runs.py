"""Flow runs, how proposed states are answered, timelines and logs."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from math import ceil
from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints
from pydantic_core import PydanticCustomError

from skylift.models.base import MAX_INT, Instant, JsonObject, Name, Stored, Text, Wire
from skylift.models.events import Indexable
from skylift.models.states import State, StateCreate, StateType

InputKey = Annotated[str, StringConstraints(min_length=1, max_length=300, pattern=r"^[a-zA-Z0-9_-]+$")]


def _countable(policy: dict[str, Any]) -> dict[str, Any]:
    delay = policy.get("retry_delay")
    for name, values in (
        ("retries", [policy.get("retries")]),
        ("retry_delay", delay if isinstance(delay, list) else [delay]),
    ):
        for value in values:
            is_number = isinstance(value, int | float) and 0 <= value <= MAX_INT
            if value is not None and not is_number:
                raise PydanticCustomError("policy", "'{name}' must be a number, at least 0", {"name": name})
    return policy


def _in_whole_seconds(policy: dict[str, Any]) -> dict[str, Any]:
    delay = policy.get("retry_delay")
    return policy | {"retry_delay": ceil(delay)} if isinstance(delay, float) else policy


Policy = Annotated[JsonObject, AfterValidator(_countable)]
"""A run's `empirical_policy`: `retries`, `retry_delay` (seconds), and what is noted of pauses."""
ShownPolicy = Annotated[JsonObject, AfterValidator(_in_whole_seconds)]
"""Prefect's engine sends fractions of a second as a flow's `retry_delay`, but its client can only read whole ones."""


class FlowRunCreate(Wire):
    """A run made without a deployment (POST /flow_runs/)."""

    flow_id: UUID
    name: str | None = None
    state: StateCreate | None = None
    parameters: JsonObject = Field(default_factory=dict)
    context: JsonObject = Field(default_factory=dict)
    tags: list[str] = Field(default_factory=list)
    labels: JsonObject = Field(default_factory=dict)
    deployment_id: UUID | None = None
    flow_version: str | None = None
    empirical_policy: Policy = Field(default_factory=dict)
    idempotency_key: Indexable | None = None
    parent_task_run_id: UUID | None = None
    job_variables: JsonObject = Field(default_factory=dict)
    work_pool_name: str | None = None
    work_queue_name: Name | None = None


class DeploymentRunCreate(Wire):
    """A run of a deployment (POST /deployments/{id}/create_flow_run)."""

    name: str | None = None
    state: StateCreate | None = None
    parameters: JsonObject = Field(default_factory=dict)
    context: JsonObject = Field(default_factory=dict)
    tags: list[str] = Field(default_factory=list)
    labels: JsonObject = Field(default_factory=dict)
    job_variables: JsonObject = Field(default_factory=dict)
    idempotency_key: Indexable | None = None
    parent_task_run_id: UUID | None = None
    enforce_parameter_schema: bool | None = None
    work_queue_name: Name | None = None


class FlowRunUpdate(Wire):
    name: str | None = None
    flow_version: str | None = None
    parameters: JsonObject | None = None
    empirical_policy: Policy | None = None
    tags: list[str] | None = None
    infrastructure_pid: str | None = None
    job_variables: JsonObject | None = None


class FlowRun(Stored):
    name: str
    flow_id: UUID
    deployment_id: UUID | None
    deployment_version: str | None
    parameters: JsonObject
    context: JsonObject
    job_variables: JsonObject
    tags: list[str]
    labels: JsonObject
    empirical_policy: ShownPolicy
    flow_version: str | None
    idempotency_key: str | None
    parent_task_run_id: UUID | None
    auto_scheduled: bool
    created_by: JsonObject | None
    infrastructure_pid: str | None
    infrastructure_document_id: UUID | None = None
    state_id: UUID
    state_type: StateType
    state_name: str
    state: State | None = None
    run_count: int
    expected_start_time: Instant
    next_scheduled_start_time: Instant | None
    start_time: Instant | None
    end_time: Instant | None
    total_run_time: float
    estimated_run_time: float = 0.0
    estimated_start_time_delta: float = 0.0
    work_queue_id: UUID | None
    work_pool_id: UUID | None
    work_pool_name: str | None = None
    work_queue_name: str | None = None


class SetStateStatus(StrEnum):
    ACCEPT = "ACCEPT"
    REJECT = "REJECT"
    WAIT = "WAIT"
    ABORT = "ABORT"


class SetState(Wire):
    state: StateCreate
    force: bool = False


class OrchestrationResult(BaseModel):
    """How a proposed state was answered."""

    state: State | None
    status: SetStateStatus
    details: JsonObject
    was_written: bool = Field(False, exclude=True)
    """Whether the state was written for this proposal: it may be another than the proposed one."""


class BulkResult(OrchestrationResult):
    """How a state that was proposed to many was answered for one of them."""

    flow_run_id: UUID


class InputCreate(Wire):
    """Something that is sent to a run."""

    key: InputKey
    value: str
    sender: str | None = None


class FlowRunInput(Stored):
    flow_run_id: UUID
    key: str
    value: str
    sender: str | None


class HistoryState(BaseModel):
    """Runs of one state in one interval; times in seconds."""

    state_type: StateType
    state_name: str
    count_runs: int
    sum_estimated_run_time: float
    sum_estimated_lateness: float


class HistoryInterval(BaseModel):
    interval_start: Instant
    interval_end: Instant
    states: list[HistoryState]


class TimelineEntry(BaseModel):
    """One thing that happened to a run, in order."""

    model_config = ConfigDict(from_attributes=True)

    at: Instant
    kind: str
    message: str
    attempt_id: UUID | None
    remedy: str | None


class LogCreate(Wire):
    may_hold_nul = frozenset({"name", "message"})

    name: str
    level: int
    message: str
    timestamp: Instant
    flow_run_id: UUID | None = None
    task_run_id: UUID | None = None


class Log(BaseModel):
    id: UUID
    created: datetime
    updated: datetime
    name: str
    level: int
    message: str
    timestamp: datetime
    flow_run_id: UUID | None
    task_run_id: UUID | None = None


class Admission(Wire):
    instance: str
    nonce: str | None = None
    pool_secret: str | None = None


class Beat(Wire):
    instance: str


class Ended(Wire):
    """A runner's last word."""

    may_hold_nul = frozenset({"reason", "traceback"})

    instance: str
    outcome: str = Field(
        description="completed, failed, timed_out, cancelled, suspended, crashed, not_started; or exited: the run has"
        " said itself how it ended, or else has crashed"
    )
    exit_code: int | None = None
    signal: str | None = None
    reason: Text | None = None
    traceback: Text | None = None


class Terms(BaseModel):
    """What an admitted runner needs: its token, what to start, and the secret environment."""

    token: str
    flow_run: dict[str, Any]
    kind: str
    entrypoint: str | None
    command: list[str] | None
    parameters: JsonObject
    code: list[JsonObject]
    env: dict[str, str]
    packages: JsonObject | None = None
    """For pip, before the code is loaded: `install`, a list of requirements, and `prefect`, whether to see that Prefect
    is there."""
    working_dir: str | None
    timeout_seconds: float | None
    grace_seconds: float
    heartbeat_seconds: float
