"""The installation at a glance."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from skylift.models.base import Instant
from skylift.models.console.base import Named, View
from skylift.models.pools import Status
from skylift.models.states import StateType


class PoolStanding(View):
    """A work pool in a list."""

    name: str
    type: str
    description: str | None
    status: Status
    concurrency_limit: int | None
    occupied: int
    due: int = Field(description="Runs whose time has come, and that have no slot")
    late: int = Field(description="Those of them that should have started a while ago")
    next_due: Instant | None = Field(description="When its first run is due, be it in the past")


class FailureGroup(View):
    """Runs of the last day that failed for the same reason."""

    state_type: StateType
    reason: str = Field(description="The first line of the newest one's message")
    count: int
    last_at: Instant
    last_run: Named


class ProblemKind(StrEnum):
    NOT_SERVED = "not-served"
    """Runs are due in a pool whose provider is not installed, or that no worker asks for."""
    UNREACHABLE = "unreachable"
    """A provider could not be reached."""
    DRIFT = "drift"
    """What was made for a pool is missing or has changed."""
    TIMER = "timer"
    """The timer has not come when it should have."""


class Problem(View):
    """Something that needs a person."""

    kind: ProblemKind
    message: str
    remedy: str | None
    work_pool: str | None
    since: Instant | None


class Overview(View):
    version: str
    last_tick: Instant | None = Field(description="When the timer last came; noted once a minute at most")
    problems: list[Problem]
    pools: list[PoolStanding]
    failures: list[FailureGroup] = Field(description="Of runs that were due in the last day; the most frequent first")
    failed: int = Field(
        description="Of those runs, how many failed or crashed; of more than a thousand only the newest are grouped"
    )
