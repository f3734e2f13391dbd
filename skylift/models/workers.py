"""Workers of pull pools, what they ask for, and who holds the slots of pools and queues."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from skylift.models.base import Instant, Name, Stored, Wire
from skylift.models.runs import FlowRun
from skylift.models.states import StateType

PageLimit = Annotated[int, Field(ge=0, le=200)]
PageNumber = Annotated[int, Field(ge=1, le=1_000_000)]


class WorkerStatus(StrEnum):
    ONLINE = "ONLINE"
    OFFLINE = "OFFLINE"


class Heartbeat(Wire):
    name: Name
    heartbeat_interval_seconds: Annotated[int, Field(gt=0, le=7 * 24 * 60 * 60)] | None = None


class Worker(Stored):
    name: str
    work_pool_id: UUID
    last_heartbeat_time: Instant
    heartbeat_interval_seconds: int | None
    status: WorkerStatus


class ScheduledQuery(Wire):
    """What a worker asks a pool for: runs that are due between these times, of these queues."""

    work_queue_names: list[str] | None = None
    scheduled_before: Instant | None = None
    scheduled_after: Instant | None = None
    limit: PageLimit | None = None


class ScheduledRun(BaseModel):
    work_pool_id: UUID
    work_queue_id: UUID
    flow_run: FlowRun


class DueQuery(Wire):
    """What is due in one queue."""

    scheduled_before: Instant | None = None
    limit: PageLimit | None = None


class DeploymentsQuery(Wire):
    """What a serving process asks for: runs of its deployments."""

    deployment_ids: Annotated[list[UUID], Field(max_length=1000)]
    scheduled_before: Instant | None = None
    limit: PageLimit | None = None


class PoolSlotsQuery(Wire):
    page: PageNumber = 1
    limit: PageLimit | None = None
    flow_run_limit: PageLimit = 10


class QueueSlotsQuery(Wire):
    page: PageNumber = 1
    limit: PageLimit | None = None


class SlotHolder(BaseModel):
    """A flow run that holds a slot."""

    model_config = ConfigDict(ser_json_timedelta="float")  # seconds, as in the dialect

    id: UUID
    name: str
    state_type: StateType
    state_name: str
    start_time: Instant | None
    state_timestamp: Instant
    time_in_current_state: timedelta


class QueueSlotsInPool(BaseModel):
    queue_id: UUID
    queue_name: str
    active_slots: int
    concurrency_limit: int | None
    flow_runs: list[SlotHolder]
    flow_run_count: int


class PoolSlots(BaseModel):
    """The slots of a pool, and a page of its queues with the runs that hold theirs."""

    active_slots: int
    concurrency_limit: int | None
    queues: list[QueueSlotsInPool]
    count: int
    limit: int
    pages: int
    page: int


class QueueSlots(BaseModel):
    """The slots of a queue, and a page of the runs that hold them."""

    active_slots: int
    concurrency_limit: int | None
    flow_runs: list[SlotHolder]
    count: int
    limit: int
    pages: int
    page: int


class HealthPolicy(BaseModel):
    maximum_late_runs: int | None
    maximum_seconds_since_last_polled: int | None


class QueueHealth(BaseModel):
    healthy: bool
    late_runs_count: int
    last_polled: Instant | None
    health_check_policy: HealthPolicy
