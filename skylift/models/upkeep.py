"""What upkeep answers: how much went, or would go, and how much was sealed anew."""

from __future__ import annotations

from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from skylift.models.base import Instant


class UpkeepOrder(BaseModel):
    """What is asked for. Nothing that is not known is passed over: a dry run must not be a real one by a slip."""

    model_config = ConfigDict(extra="forbid")

    dry_run: bool = Field(False, description="Change nothing, and say what would be done")


class Retained(BaseModel):
    """What retention deleted, or would delete. What hangs on a flow run goes with it and is not counted."""

    flow_runs: int = 0
    task_runs: int = Field(0, description="That belong to no flow run")
    logs: int = Field(0, description="Lines")
    events: int = 0
    artifacts: int = 0
    deliveries: int = Field(0, description="To webhooks")
    expired_limits: int = Field(0, description="Concurrency limits, slots of which nobody held any more")
    api_keys: int = 0
    before: dict[str, Instant] = Field(
        default_factory=dict, description="By kind, the instant before which it goes; a kind that is kept is not here"
    )
    complete: bool = Field(True, description="False: there may be more, ask again")


class Rotated(BaseModel):
    """What was sealed anew, or would be."""

    resealed: int = 0
    current: int = Field(0, description="What the newest key had sealed already")
    unreadable: list[UUID] = Field(
        default_factory=list, description="What none of the keys opens: block documents, and webhooks"
    )
    complete: bool = Field(True, description="False: there is more, ask again")
    keys: int = Field(1, description="How many keys there are now")
    key_file: bool = Field(False, description="Whether the keys are in the home folder's file, and so ours to drop")
