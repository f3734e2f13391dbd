"""Flow runs: lists of them, one run's story, and its logs page by page."""

from __future__ import annotations

from uuid import UUID

from pydantic import Field

from skylift.models.base import Instant
from skylift.models.console.base import Named, RunRow, View
from skylift.models.console.pools import Phase
from skylift.models.console.waiting import Waiting
from skylift.models.runs import FlowRun, TimelineEntry


class RunRows(View):
    """Runs, the newest first."""

    runs: list[RunRow]
    next: str | None = Field(description="The cursor of the page after this one; null: this was the last")


class AttemptStep(View):
    """One thing that happened to an attempt."""

    at: Instant
    kind: str
    message: str
    remedy: str | None
    seconds: float | None = Field(description="Until the run's next step; null: it is the last")


class AttemptStory(View):
    """One try to run it."""

    attempt_id: UUID
    number: int
    began_at: Instant
    ended_at: Instant | None
    phase: Phase | None = Field(description="Null: it is over")
    handle: str | None = Field(description="The provider's id")
    links: dict[str, str] = Field(description="Pages of the cloud's console: URLs by what they show")
    steps: list[AttemptStep]


class RunStory(View):
    """A run, and all that happened to it."""

    flow_run: FlowRun = Field(description="Its estimates are as of its last change")
    flow: Named
    deployment: Named | None
    waiting: Waiting | None = Field(description="Why it has not started, where it has not")
    why: str | None = Field(description="How it failed or crashed, where it did")
    provider_words: str | None = Field(description="What the provider said last of why something did not work")
    remedy: str | None = Field(description="What to do about that, where it is known")
    attempts: list[AttemptStory]
    timeline: list[TimelineEntry]
    links: dict[str, str] = Field(description="Those of the last attempt")


class LogLine(View):
    id: UUID
    timestamp: Instant
    level: int
    name: str
    message: str
    task_run_id: UUID | None


class LogPage(View):
    """The lines that came in after the cursor."""

    lines: list[LogLine] = Field(description="In order of time; of several pages together only nearly so")
    cursor: str = Field(description="To ask for what comes after these lines")
    more: bool = Field(description="Whether more of them are there already")
    done: bool = Field(description="Whether no more will come: the run is over")
