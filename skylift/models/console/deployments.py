"""Deployments: a list, one deployment's page, and the ledger of its schedules' slots."""

from __future__ import annotations

from enum import StrEnum
from uuid import UUID

from pydantic import ConfigDict, Field

from skylift.models.base import Instant
from skylift.models.console.base import Named, RunRow, View
from skylift.models.flows import Deployment
from skylift.models.states import StateType


class DeploymentRow(View):
    """A deployment in a list."""

    id: UUID
    name: str
    flow: Named
    work_pool_name: str | None
    work_queue_name: str | None
    paused: bool
    tags: list[str]
    schedules: int
    active_schedules: int
    next_run: Instant | None = Field(description="When its next scheduled run is due")
    last_run: RunRow | None = Field(description="The last run whose time has come")


class DeploymentRows(View):
    """Deployments by the names of their flows, and their own."""

    deployments: list[DeploymentRow]
    next: str | None = Field(description="The cursor of the page after this one; null: this was the last")


class DeploymentView(View):
    """All that the page of a deployment shows at once."""

    deployment: Deployment
    upcoming: list[RunRow] = Field(description="Runs that are scheduled, the next first; ten at most")
    recent: list[RunRow] = Field(description="Runs whose time has come, the newest first; twenty at most")


class SlotOutcome(StrEnum):
    """What became of a slot of a schedule."""

    RUN = "RUN"
    SKIPPED = "SKIPPED"


class LedgerRun(View):
    """The run that was made for a slot."""

    id: UUID
    name: str | None = Field(description="Null where the run is gone: deleted, or too old to be kept")
    state_type: StateType | None
    state_name: str | None


class LedgerLine(View):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "slot": "2026-03-01T09:00:00Z",
                    "schedule": "hourly",
                    "outcome": "SKIPPED",
                    "flow_run": None,
                    "reason": "Missed by more than the catch-up window of 3600 s",
                }
            ]
        }
    )

    slot: Instant
    schedule: str = Field(description="The schedule's slug, or what stands for it")
    outcome: SlotOutcome
    flow_run: LedgerRun | None
    reason: str | None = Field(description="Why it was skipped")


class LedgerView(View):
    """The slots of a deployment's schedules, the newest first: all, or from one instant up to before another."""

    deployment: Named
    start: Instant | None
    end: Instant | None
    lines: list[LedgerLine]
    more: bool = Field(description="Whether there are older ones: ask for those up to the last of these (`to`)")
