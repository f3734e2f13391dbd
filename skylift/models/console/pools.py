"""A work pool: who holds its slots, what its provider allows, what was made for it, what its template renders."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from skylift.models.base import Instant, JsonObject
from skylift.models.console.base import Named, View
from skylift.models.console.waiting import QueueView
from skylift.models.pools import WorkPool
from skylift.models.states import StateType


class Phase(StrEnum):
    """How far an attempt is."""

    CLAIMED = "claimed"
    """It has a slot."""
    LAUNCHING = "launching"
    """Its request is frozen, and calls to the provider may be under way."""
    LAUNCHED = "launched"
    """The provider has answered."""
    ADMITTED = "admitted"
    """The runner has said its first word."""


class StopReason(StrEnum):
    """Why an attempt is being stopped."""

    CANCELLED = "cancelled"
    DELETED = "deleted"
    ENDED = "ended"
    GAVE_UP = "gave-up"


class OccupiedSlot(View):
    """A slot, and who holds it: an attempt, or in pools that workers pull from a run that is Pending or Running."""

    attempt_id: UUID | None
    flow_run_id: UUID
    flow_run_name: str | None
    """Null where the run was deleted and what runs is being stopped."""
    deployment: Named | None
    work_queue_name: str | None
    state_type: StateType | None
    state_name: str | None
    since: Instant
    phase: Phase | None = None
    handle: str | None = Field(None, description="The provider's id")
    provider_phase: str | None = Field(None, description="What the provider said last")
    lease_until: Instant | None = Field(None, description="Until when its dispatcher may be silent while it launches")
    heartbeat_at: Instant | None = None
    deadline_at: Instant | None = Field(None, description="When its time limit is over")
    stop: StopReason | None = None
    stopping: str | None = Field(None, description="Why it is being stopped, in words")
    stop_at: Instant | None = Field(None, description="Since when it is to be stopped")
    links: dict[str, str] = Field({}, description="Pages of the cloud's console: URLs by what they show")


class SlotsView(View):
    work_pool: str
    concurrency_limit: int | None
    occupied: int
    slots: list[OccupiedSlot] = Field(description="The oldest first, 200 at most")


class QuotaView(View):
    """The token bucket of launches. All null: no launch has asked for a token, or the provider sets no limit."""

    work_pool: str
    key: str | None = Field(None, description="Pools with the same key share the bucket")
    shared_with: list[str] = Field([], description="The other pools that do")
    rate: float | None = Field(None, description="Launches a second")
    burst: int | None = Field(None, description="Launches at once")
    left: int | None = Field(None, description="Launches that it allows now")
    next_at: Instant | None = Field(None, description="Where none is left: when the next one is allowed")
    throttled_last_hour: int = Field(0, description="Launches that the provider refused as too many")


class PoolView(View):
    """All that the page of a pool shows at once."""

    pool: WorkPool
    slots: SlotsView
    queues: list[QueueView]
    quota: QuotaView


class ResourceState(StrEnum):
    """What the last check said of a resource."""

    UNCHECKED = "unchecked"
    IN_PLACE = "in-place"
    NOT_OURS = "not-ours"
    """It is there, is used as it is, and belongs to somebody else."""
    MISSING = "missing"
    CHANGED = "changed"
    SUPERFLUOUS = "superfluous"
    """It is ours, and nothing needs it any more."""


class ResourceView(View):
    key: str
    kind: str
    """For people: IAM role, Artifact Registry repository…"""
    name: str
    state: ResourceState
    differences: list[str] = Field([], description="What of it has changed since it was made")
    url: str | None = Field(None, description="Its page in the cloud's console, where there is one")


class InfrastructureView(View):
    """What was made in the cloud for a pool, and what of it has changed since."""

    work_pool: str
    type: str | None
    place: str | None = Field(description="Account and region, project, subscription; null: nothing was made")
    resources: list[ResourceView]
    recorded_at: Instant | None = Field(description="When something was last made or removed")
    checked_at: Instant | None = Field(description="When somebody last looked, since then")
    can_check: bool = Field(description="Whether this service can look by itself")


class SeenStep(BaseModel):
    """What was seen of one resource, as a plan has it."""

    model_config = ConfigDict(extra="ignore")

    key: str
    kind: str
    name: str
    action: Literal["create", "update", "adopt", "nothing", "delete", "keep"]
    why: list[str] = []
    url: str | None = None


class SeenInfrastructure(BaseModel):
    """What whoever has credentials of the cloud saw there: `skylift work-pool infra NAME -o json`."""

    model_config = ConfigDict(extra="ignore")

    place: str
    steps: list[SeenStep]


class PreviewRequest(BaseModel):
    """What is to be rendered."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"job_variables": {"cpu": "abc"}}]})

    job_variables: JsonObject = Field(default_factory=dict, description="Over the defaults, and the deployment's own")
    base_job_template: JsonObject | None = Field(None, description="A draft; null: the pool's own")
    deployment_id: UUID | None = None


class DraftPreviewRequest(BaseModel):
    """What is to be rendered for a pool that is not there yet."""

    model_config = ConfigDict(extra="forbid")

    base_job_template: JsonObject
    job_variables: JsonObject = Field(default_factory=dict, description="Over the template's defaults")


class PreviewError(View):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "path": "job_variables.cpu",
                    "message": "Job variable 'cpu' (from flow run 'preview') must be an integer, not 'abc'.",
                }
            ]
        }
    )

    path: str = Field(description="Where it is: job_variables.cpu, base_job_template.variables…; empty: the whole")
    message: str


class TemplatePreview(View):
    """The job configuration as the provider would get it, or what is wrong."""

    configuration: JsonObject | None = Field(description="Secrets are masked; null where there are errors")
    errors: list[PreviewError]
