"""Why a run does not start, and who is in its way."""

from __future__ import annotations

from enum import StrEnum
from uuid import UUID

from pydantic import ConfigDict, Field

from skylift.models.base import Instant
from skylift.models.console.base import Named, View


class WaitKind(StrEnum):
    """The first reason that holds, in the order in which a claim looks."""

    NO_POOL = "no-pool"
    EARLIER_ATTEMPT = "earlier-attempt"
    """An attempt that is over for the run still holds its slot, until its provider says that it is gone."""
    NOT_DUE = "not-due"
    POOL_PAUSED = "pool-paused"
    QUEUE_PAUSED = "queue-paused"
    NOT_SERVED = "not-served"
    """Nobody takes what is due there: the provider is not installed, or no worker asks."""
    POOL_LIMIT = "pool-limit"
    QUEUE_LIMIT = "queue-limit"
    DEPLOYMENT_LIMIT = "deployment-limit"
    HIGHER_QUEUES = "higher-queues"
    QUOTA = "quota"
    EARLIER_RUNS = "earlier-runs"
    NEXT = "next"
    """The next dispatch takes it."""
    LAUNCHING = "launching"
    """It has a slot, and its provider has not answered yet."""
    STARTING = "starting"
    """Its provider has started it, and it has not said a word yet."""


class SlotHold(View):
    """Who holds a slot of the limit that is in the way."""

    attempt_id: UUID | None = Field(description="Null in pools that workers pull from")
    flow_run_id: UUID
    flow_run_name: str | None = Field(description="Null where the run was deleted and what runs is being stopped")
    since: Instant
    stopping: str | None = Field(None, description="Why it is being stopped, where it is")


class Waiting(View):
    """Why a run does not start."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "kind": "pool-limit",
                    "message": "Work pool 'nightly' is at its limit: 1 of 1 slots are occupied: brave-otter "
                    "(0199c1a2-5f00-7000-8000-000000000001)",
                    "until": None,
                    "limit": 1,
                    "occupied": 1,
                    "holders": [
                        {
                            "attempt_id": "5d1c0f7e-2f2e-4b8e-9a64-0d6f3c1b2a10",
                            "flow_run_id": "0199c1a2-5f00-7000-8000-000000000001",
                            "flow_run_name": "brave-otter",
                            "since": "2026-03-01T12:00:00Z",
                            "stopping": None,
                        }
                    ],
                    "ahead": 0,
                }
            ]
        }
    )

    kind: WaitKind
    message: str
    """A sentence."""
    until: Instant | None = Field(None, description="When that ends by itself, where it is known")
    limit: int | None = Field(None, description="Slots in all, of the limit that is reached")
    occupied: int | None = Field(None, description="Slots of it that are taken")
    holders: list[SlotHold] = Field([], description="Who holds them, the oldest first; 20 at most")
    ahead: int | None = Field(None, description="Runs that are due and go first; null where it is not due")


class WaitingRun(View):
    """A run whose time has come."""

    id: UUID
    name: str
    deployment: Named | None
    state_name: str
    due_at: Instant


class QueueView(View):
    """A work queue, and what waits in it."""

    id: UUID
    name: str
    description: str | None
    priority: int
    is_paused: bool
    concurrency_limit: int | None
    occupied: int
    due: int = Field(description="Runs whose time has come")
    next_due: Instant | None = Field(description="When its first run is due, be it in the past")
    waiting: Waiting | None = Field(description="Why the first of them does not start; null: nothing is due")
    first: list[WaitingRun] = Field(description="The runs that are due, in the order of a claim; ten at most")


class WaitingView(View):
    """What waits in a work pool, by queue, the highest priority first."""

    work_pool: str
    queues: list[QueueView]
