"""Work pools and work queues."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from skylift.models.base import Instant, JsonObject, Limit, Name, PositiveInt, Stored, Wire


class Status(StrEnum):
    """Of a pool or a queue."""

    READY = "READY"
    NOT_READY = "NOT_READY"
    PAUSED = "PAUSED"


class OnInfraLoss(StrEnum):
    """What to do when infrastructure is lost after user code began."""

    CRASH = "crash"
    RETRY = "retry"


class PoolSettings(BaseModel):
    """How a pool dispatches and watches its runs. All times in seconds."""

    model_config = ConfigDict(extra="forbid")

    lease: float = Field(60, gt=0, description="How long a dispatcher may be silent before another takes over")
    submit_timeout: float = Field(300, gt=0, description="From the claim to the provider's first answer")
    start_timeout: float = Field(900, gt=0, description="From the launch to the run's first word")
    infrastructure_retries: int = Field(2, ge=0, description="Relaunches after a loss before user code ran")
    on_infra_loss: OnInfraLoss = OnInfraLoss.CRASH
    cancel_grace: float = Field(30, ge=0, description="From asking a run to end to stopping it by force")
    heartbeat: float = Field(30, gt=0)
    launch_rate: float | None = Field(None, gt=0, description="Launches a second, where the quota is not the usual one")
    launch_burst: int | None = Field(None, gt=0, description="Launches at once; with `launch_rate`")
    admission_secrets: list[str] = Field(
        [],
        description="SHA-256, in hexadecimal, of each secret that may admit a run: what the pool's containers get by "
        "the cloud's own reference. Empty: the nonce alone admits",
    )
    reports: bool = Field(
        False,
        description="Whether a command without the runner reports its own end: then exit 0 without a report is a crash",
    )


class WorkPoolCreate(Wire):
    name: Name
    type: Annotated[str, StringConstraints(min_length=1)] = "process:push"
    description: str | None = None
    base_job_template: JsonObject = Field(default_factory=dict)
    is_paused: bool = False
    concurrency_limit: Limit | None = None
    storage_configuration: JsonObject | None = None
    settings: PoolSettings = Field(default_factory=PoolSettings)


class WorkPoolUpdate(Wire):
    description: str | None = None
    base_job_template: JsonObject | None = None
    is_paused: bool | None = None
    concurrency_limit: Limit | None = None
    storage_configuration: JsonObject | None = None
    settings: PoolSettings | None = None


class WorkPool(Stored):
    name: str
    type: str
    description: str | None
    base_job_template: JsonObject
    is_paused: bool
    concurrency_limit: int | None
    active_slots: int | None = Field(description="Slots that are taken; null where there is no limit")
    default_queue_id: UUID
    status: Status
    storage_configuration: JsonObject
    settings: PoolSettings


class WorkQueueCreate(Wire):
    name: Name
    description: str | None = ""
    is_paused: bool = False
    concurrency_limit: Limit | None = None
    priority: PositiveInt | None = None


class WorkQueueUpdate(Wire):
    name: Name | None = None
    description: str | None = None
    is_paused: bool | None = None
    concurrency_limit: Limit | None = None
    priority: PositiveInt | None = None
    last_polled: Instant | None = None


class WorkQueue(Stored):
    name: str
    description: str | None
    is_paused: bool
    concurrency_limit: int | None
    active_slots: int | None = Field(description="Slots that are taken; null where there is no limit")
    priority: int
    work_pool_id: UUID
    work_pool_name: str | None
    last_polled: Instant | None
    status: Status
