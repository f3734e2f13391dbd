"""States of flow runs: types, names and the wire shape."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from skylift.ids import new_id
from skylift.models.base import Instant, Text, Wire
from skylift.models.events import Indexable


class StateType(StrEnum):
    """What the orchestration goes by."""

    SCHEDULED = "SCHEDULED"
    PENDING = "PENDING"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    CRASHED = "CRASHED"
    PAUSED = "PAUSED"
    CANCELLING = "CANCELLING"


TERMINAL = frozenset({StateType.COMPLETED, StateType.FAILED, StateType.CANCELLED, StateType.CRASHED})

NAMES: dict[StateType, tuple[str, ...]] = {
    StateType.SCHEDULED: ("Scheduled", "Late", "AwaitingRetry", "AwaitingConcurrencySlot", "Resuming"),
    StateType.PENDING: ("Pending", "Submitting", "InfrastructurePending"),
    StateType.RUNNING: ("Running", "Retrying"),
    StateType.COMPLETED: ("Completed", "Cached"),
    StateType.FAILED: ("Failed", "TimedOut"),
    StateType.CANCELLED: ("Cancelled",),
    StateType.CRASHED: ("Crashed",),
    StateType.PAUSED: ("Paused", "Suspended"),
    StateType.CANCELLING: ("Cancelling",),
}
"""The names that the field uses; clients may send their own. The first of each type is its default."""


class StateDetails(BaseModel):
    """What a state says about itself. Clients put more in than is listed here; all of it is kept."""

    model_config = ConfigDict(extra="allow")

    flow_run_id: UUID | None = None
    task_run_id: UUID | None = None
    scheduled_time: Instant | None = None
    transition_id: UUID | None = None
    pause_timeout: Instant | None = None
    pause_reschedule: bool = False
    pause_key: str | None = None
    run_input_keyset: dict[str, str] | None = None


class StateCreate(Wire):
    """A state as a client proposes it."""

    may_hold_nul = frozenset({"message"})

    type: StateType
    name: Indexable | None = None
    message: Text | None = None
    data: Any = None
    state_details: StateDetails = Field(default_factory=StateDetails)

    @model_validator(mode="after")
    def _default_name(self) -> StateCreate:
        self.name = self.name or NAMES[self.type][0]
        return self


class State(BaseModel):
    """A state that was written."""

    id: UUID = Field(default_factory=new_id)
    type: StateType
    name: str
    timestamp: datetime
    message: str | None = None
    data: Any = None
    state_details: StateDetails = Field(default_factory=StateDetails)

    @property
    def is_terminal(self) -> bool:
        """Whether the run is over."""
        return self.type in TERMINAL

    @property
    def scheduled_time(self) -> datetime | None:
        """When a scheduled state wants to start."""
        return self.state_details.scheduled_time


def make_state(
    type_: StateType,
    at: datetime,
    *,
    name: str | None = None,
    message: str | None = None,
    scheduled_time: datetime | None = None,
    data: Any = None,
    **details: Any,
) -> State:
    """A state as of now, its default name filled in."""
    return State(
        type=type_,
        name=name or NAMES[type_][0],
        timestamp=at,
        message=message,
        data=data,
        state_details=StateDetails(scheduled_time=scheduled_time, **details),
    )
