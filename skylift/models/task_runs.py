"""Task runs: as clients make them, as their events report them, and as they are read."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from skylift.models.base import Instant, JsonObject, Stored, Text, Wire
from skylift.models.events import Indexable
from skylift.models.states import State, StateCreate, StateDetails, StateType

Count = Annotated[int, Field(ge=0, lt=2**31)]


class TaskRunFields(Wire):
    """What tells one task run from another, and what its author says of it."""

    may_hold_nul = frozenset({"name", "cache_key", "task_version"})

    name: Text | None = None
    task_key: Indexable
    dynamic_key: Indexable
    cache_key: Text | None = None
    cache_expiration: Instant | None = None
    task_version: Text | None = None
    empirical_policy: JsonObject = Field(default_factory=dict)
    tags: list[str] = Field(default_factory=list)
    labels: JsonObject = Field(default_factory=dict)
    task_inputs: JsonObject = Field(default_factory=dict)


class TaskRunCreate(TaskRunFields):
    id: UUID | None = None
    flow_run_id: UUID | None = None
    state: StateCreate | None = None


class ReportedTaskRun(TaskRunFields):
    """A task run as an event tells it; what is not there is not set (any more)."""

    name: Text
    run_count: Count = 0
    flow_run_run_count: Count = 0
    expected_start_time: Instant | None = None
    next_scheduled_start_time: Instant | None = None
    start_time: Instant | None = None
    end_time: Instant | None = None
    total_run_time: timedelta = timedelta()


class ReportedState(Wire):
    """The state that the task run entered, as the event tells it."""

    may_hold_nul = frozenset({"name", "message"})

    type: StateType
    name: Text
    message: Text | None = None
    data: Any = None
    state_details: StateDetails = Field(default_factory=StateDetails)


class Report(Wire):
    """The payload of a task run's event."""

    task_run: ReportedTaskRun
    validated_state: ReportedState


class TaskRunUpdate(Wire):
    may_hold_nul = frozenset({"name"})

    name: Text | None = None


class TaskRun(Stored):
    name: str
    flow_run_id: UUID | None
    task_key: str
    dynamic_key: str
    cache_key: str | None
    cache_expiration: Instant | None
    task_version: str | None
    empirical_policy: JsonObject
    tags: list[str]
    labels: JsonObject
    task_inputs: JsonObject
    state_id: UUID
    state_type: StateType
    state_name: str
    state: State | None
    run_count: int
    flow_run_run_count: int
    expected_start_time: Instant | None
    next_scheduled_start_time: Instant | None
    start_time: Instant | None
    end_time: Instant | None
    total_run_time: float
    estimated_run_time: float
    """Seconds, the time since it was last started among them."""
    estimated_start_time_delta: float
    """Seconds that it started late, or is late by now."""
