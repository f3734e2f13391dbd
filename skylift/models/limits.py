"""Concurrency limits, by name and by tag."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from skylift.models.base import Limit, Name, Stored, Wire

TAG = "tag:"
"""What the names of limits on tags of task runs begin with."""

Slots = Annotated[int, Field(gt=0, lt=2**31)]
Count = Annotated[int, Field(ge=0, lt=2**31)]
PerSecond = Annotated[float, Field(ge=0, allow_inf_nan=False)]
LeaseSeconds = Annotated[float, Field(ge=60, le=24 * 60 * 60)]
Names = Annotated[list[Annotated[str, StringConstraints(min_length=1, max_length=300)]], Field(max_length=100)]


class ConcurrencyLimitCreate(Wire):
    name: Name
    limit: Count
    active: bool = True
    active_slots: Count = 0
    denied_slots: Count = 0
    slot_decay_per_second: PerSecond = 0.0


class LimitOnTag(ConcurrencyLimitCreate):
    """Its name is made of the tag, which may hold what other names may not."""

    name: str


class ConcurrencyLimitUpdate(Wire):
    name: Name | None = None
    limit: Count | None = None
    active: bool | None = None
    active_slots: Count | None = None
    denied_slots: Count | None = None
    slot_decay_per_second: PerSecond | None = None


class ConcurrencyLimit(Stored):
    """A limit as it is now: the slots that have decayed or whose leases have run out are not counted any more."""

    name: str
    limit: int
    active: bool
    active_slots: int
    denied_slots: int
    slot_decay_per_second: float
    avg_slot_occupancy_seconds: float


class Mode(StrEnum):
    """What slots are asked for: until they are given back, or until they have decayed."""

    CONCURRENCY = "concurrency"
    RATE_LIMIT = "rate_limit"


class Increment(Wire):
    """Slots of each of these limits, all or none. Names without a limit are no hindrance."""

    names: Annotated[Names, Field(min_length=1)]
    slots: Slots
    mode: Mode = Mode.CONCURRENCY


class Holder(BaseModel):
    """Who holds slots."""

    model_config = ConfigDict(extra="forbid")

    type: Literal["flow_run", "task_run", "deployment"]
    id: UUID


class IncrementWithLease(Increment):
    lease_duration: LeaseSeconds = 300.0
    holder: Holder | None = None


class Decrement(Wire):
    names: Annotated[Names, Field(min_length=1)]
    slots: Slots
    occupancy_seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None


class Renewal(Wire):
    lease_duration: LeaseSeconds = 300.0


class Release(Wire):
    lease_id: UUID


class TakenLimit(BaseModel):
    """What those who ask for slots need to know of a limit."""

    id: UUID
    name: str
    limit: int


class Lease(BaseModel):
    lease_id: UUID
    limits: list[TakenLimit]


class TagLimitCreate(Wire):
    tag: Annotated[str, StringConstraints(min_length=1, max_length=290)]
    concurrency_limit: Limit


class TagLimit(Stored):
    tag: str
    concurrency_limit: int
    active_slots: list[UUID]
    """The task runs that hold its slots."""


class TagSlots(Wire):
    """Slots of these tags for one task run."""

    names: Names
    task_run_id: UUID


class TagReset(Wire):
    slot_override: Annotated[list[UUID], Field(max_length=1000)] | None = None
