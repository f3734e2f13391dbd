"""Flows, deployments and their schedules."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints
from pydantic_core import PydanticCustomError

from skylift.errors import InvalidError
from skylift.models.base import Instant, JsonObject, Limit, Name, PositiveInt, Stored, Wire
from skylift.models.schedules import Schedule
from skylift.parameters import check_schema


class FlowCreate(Wire):
    name: Name
    tags: list[str] = Field(default_factory=list)
    labels: JsonObject = Field(default_factory=dict)


class FlowUpdate(Wire):
    tags: list[str] | None = None


class Flow(Stored):
    name: str
    tags: list[str]
    labels: JsonObject


class Engine(StrEnum):
    """What starts the user's code."""

    PREFECT = "prefect"
    PYTHON = "python"
    COMMAND = "command"


class CollisionStrategy(StrEnum):
    """What happens to a due run while its deployment is at its limit."""

    ENQUEUE = "ENQUEUE"
    CANCEL_NEW = "CANCEL_NEW"


class ConcurrencyOptions(BaseModel):
    model_config = ConfigDict(extra="allow")

    collision_strategy: CollisionStrategy = CollisionStrategy.ENQUEUE


Slug = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[a-z0-9]+([-_][a-z0-9]+)*$")]


LONGEST_CATCHUP = 10 * 366 * 86400.0


class ScheduleCreate(Wire):
    schedule: Schedule
    active: bool = True
    parameters: JsonObject = Field(default_factory=dict)
    slug: Slug | None = None
    max_scheduled_runs: PositiveInt | None = None
    catchup_seconds: float | None = Field(
        None, ge=0, le=LONGEST_CATCHUP, description="How old a slot missed in an outage may be and still be made"
    )


class ScheduleUpdate(Wire):
    schedule: Schedule | None = None
    active: bool | None = None
    parameters: JsonObject | None = None
    slug: Slug | None = None
    max_scheduled_runs: PositiveInt | None = None
    catchup_seconds: float | None = Field(None, ge=0, le=LONGEST_CATCHUP)


class DeploymentSchedule(Stored):
    deployment_id: UUID
    schedule: Schedule
    active: bool
    parameters: JsonObject
    slug: str | None
    max_scheduled_runs: int | None
    catchup_seconds: float | None


def _checked(schema: JsonObject) -> JsonObject:
    try:
        check_schema(schema)
    except InvalidError as error:
        raise PydanticCustomError("parameter_schema", "{message}", {"message": str(error)}) from error
    return schema


ParameterSchema = Annotated[JsonObject, AfterValidator(_checked)]


class DeploymentCreate(Wire):
    name: Name
    flow_id: UUID
    description: str | None = None
    version: str | None = None
    tags: list[str] = Field(default_factory=list)
    labels: JsonObject = Field(default_factory=dict)
    paused: bool = False
    parameters: JsonObject = Field(default_factory=dict)
    parameter_openapi_schema: ParameterSchema | None = None
    enforce_parameter_schema: bool = True
    job_variables: JsonObject = Field(default_factory=dict)
    work_pool_name: str | None = None
    work_queue_name: Name | None = None
    schedules: list[ScheduleCreate] = Field(default_factory=list)
    concurrency_limit: Limit | None = None
    concurrency_options: ConcurrencyOptions | None = None
    entrypoint: str | None = None
    path: str | None = None
    pull_steps: list[JsonObject] | None = None
    engine: Engine | None = Field(None, description="Skylift's own: what starts the code; null: told by the rest")


class DeploymentUpdate(Wire):
    description: str | None = None
    version: str | None = None
    tags: list[str] | None = None
    labels: JsonObject | None = None
    paused: bool | None = None
    parameters: JsonObject | None = None
    parameter_openapi_schema: ParameterSchema | None = None
    enforce_parameter_schema: bool | None = None
    job_variables: JsonObject | None = None
    work_pool_name: str | None = None
    work_queue_name: Name | None = None
    schedules: list[ScheduleCreate] | None = None
    concurrency_limit: Limit | None = None
    concurrency_options: ConcurrencyOptions | None = None
    entrypoint: str | None = None
    path: str | None = None
    pull_steps: list[JsonObject] | None = None
    engine: Engine | None = None


class DeploymentLimit(Stored):
    """A deployment's limit as clients see it: as one of the global limits."""

    name: str
    limit: int
    active: bool = True
    active_slots: int
    slot_decay_per_second: float = 0.0


class Deployment(Stored):
    name: str
    flow_id: UUID
    flow_name: str | None = None
    description: str | None
    version: str | None
    tags: list[str]
    labels: JsonObject
    paused: bool
    parameters: JsonObject
    parameter_openapi_schema: JsonObject | None
    enforce_parameter_schema: bool
    job_variables: JsonObject
    work_pool_name: str | None
    work_queue_name: str | None
    work_queue_id: UUID | None
    schedules: list[DeploymentSchedule]
    concurrency_limit: int | None
    global_concurrency_limit: DeploymentLimit | None = None
    concurrency_options: ConcurrencyOptions | None
    entrypoint: str | None
    path: str | None
    pull_steps: list[JsonObject] | None
    engine: Engine
    status: str
    last_polled: Instant | None = None
    infra_overrides: Any = None
    # Of the dialect, and never anything here: storage is pull steps, infrastructure the pool's, and people have no ids.
    storage_document_id: UUID | None = None
    infrastructure_document_id: UUID | None = None
    created_by: JsonObject | None = None
    updated_by: JsonObject | None = None
