"""/skylift/flow_runs: lists of runs, one run's story, and its logs as they come in."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field

from skylift import story
from skylift.api import scopes, views
from skylift.api.console import cursors
from skylift.api.deps import PartsDep
from skylift.api.tagged import TaggedRouter
from skylift.models.base import Instant
from skylift.models.console.runs import LogLine, LogPage, RunRows, RunStory
from skylift.models.states import StateType
from skylift.store import log_pages, pools, run_rows, runs

router = TaggedRouter(prefix="/skylift/flow_runs", tags=["Console"])


class RunQuery(BaseModel):
    """Which runs; what is not given does not matter."""

    model_config = ConfigDict(extra="forbid")

    state: list[StateType] = Field([], description="In one of these states")
    state_name: list[str] = Field([], description="In a state with one of these names: Late, AwaitingRetry…")
    name: str | None = Field(None, max_length=300, description="With this in their names, in any case")
    flow_id: list[UUID] = []
    deployment_id: list[UUID] = []
    work_pool: list[str] = []
    work_queue: list[str] = []
    tag: list[str] = Field([], description="With all of these tags")
    since: Instant | None = Field(None, description="That were to start at this time or later")
    until: Instant | None = Field(None, description="That were to start at this time or earlier")
    after: str | None = Field(None, description="The cursor of a page: `next` of the one before")
    limit: int = Field(50, ge=1, le=200)

    @property
    def types(self) -> list[StateType]:
        """Types of states to be asked for one by one; none: the latest runs of any are found without."""
        return self.state or (list(StateType) if self.deployment_id or self.work_pool else [])

    @property
    def filters(self) -> dict[str, Any]:
        """As the wire's filter of flow runs has it, without types of states and work pools."""
        times = {"after_": self.since, "before_": self.until}
        of_runs = {
            "state": {"name": _any(self.state_name)} if self.state_name else None,
            "name": {"like_": self.name} if self.name else None,
            "flow_id": _any(self.flow_id) if self.flow_id else None,
            "deployment_id": _any(self.deployment_id) if self.deployment_id else None,
            "work_queue_name": _any(self.work_queue) if self.work_queue else None,
            "tags": {"all_": self.tag} if self.tag else None,
            "expected_start_time": {key: at.isoformat() for key, at in times.items() if at} or None,
        }
        return {key: value for key, value in of_runs.items() if value}


def _any(values: Iterable[object]) -> dict[str, list[str]]:
    return {"any_": [str(each) for each in values]}


@router.get("", dependencies=[scopes.NONE])
def read_runs(parts: PartsDep, query: Annotated[RunQuery, Query()]) -> RunRows:
    """Runs by the times they were to start at, the latest first, with the names of what they belong to."""
    before = cursors.read(query.after, cursors.instant_and_id) if query.after else None
    with parts.store.reading() as tx:
        of_pools = {"work_pool_id": _any(pools.ids_of(tx, query.work_pool))} if query.work_pool else {}
        rows = run_rows.newest(tx, {"flow_runs": query.filters | of_pools}, query.limit + 1, before, query.types)
    shown = rows[: query.limit]
    more = len(rows) > query.limit
    return RunRows(runs=shown, next=cursors.write(shown[-1].expected_start_time, shown[-1].id) if more else None)


@router.get("/{flow_run_id}/explain", dependencies=[scopes.NONE])
def explain(parts: PartsDep, flow_run_id: UUID) -> RunStory:
    """What happened when, how long each phase took, what to do about a failure, and what a run waits for: the limit
    that is in the way and who holds it, its place in the queue."""
    with parts.store.reading() as tx:
        run = runs.by_id(tx, flow_run_id)
        return story.told(parts, tx, run, views.run(tx, run))


@router.get("/{flow_run_id}/logs", dependencies=[scopes.NONE])
def read_logs(
    parts: PartsDep,
    flow_run_id: UUID,
    after: Annotated[str | None, Query(description="The cursor of a page: what came in since")] = None,
    limit: Annotated[int, Query(ge=1, le=5000, description="A batch that was posted at once is never split")] = 1000,
    level: Annotated[int, Query(ge=0, le=100, description="Of this level and above: 20 is INFO")] = 0,
) -> LogPage:
    """The run's next lines, and a cursor for those after them. Ask until `done`, at once while there are `more`."""
    cursor = log_pages.Cursor.read(after)
    with parts.store.reading(together=True) as tx:
        run = runs.by_id(tx, flow_run_id)
        is_over = log_pages.has_said_all(tx, run)
        page = log_pages.after(tx, flow_run_id, cursor, limit, level)
    lines = [LogLine.model_validate(each) for each in page.lines]
    return LogPage(lines=lines, cursor=str(page.cursor), more=page.more, done=is_over and not page.more)
