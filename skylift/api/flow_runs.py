"""/flow_runs: runs, their states and their timelines."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Body, Response

from skylift import new_runs, resume
from skylift.api import scopes, views
from skylift.api.callers import CallerDep
from skylift.api.deps import FilterBody, PartsDep
from skylift.api.routing import Router
from skylift.errors import ForbiddenError
from skylift.models.base import JsonObject
from skylift.models.runs import (
    FlowRun,
    FlowRunCreate,
    FlowRunUpdate,
    OrchestrationResult,
    SetState,
)
from skylift.models.states import State
from skylift.store import Tx, flows, proposals, runs
from skylift.transitions import Author

router = Router(prefix="/flow_runs", tags=["Flow runs"])


@router.post("/", status_code=201, dependencies=[scopes.SHARED_WRITE])
def create_flow_run(parts: PartsDep, caller: CallerDep, body: FlowRunCreate, response: Response) -> FlowRun:
    if caller.is_run and body.work_pool_name:
        raise ForbiddenError("The token of a run starts runs of deployments, and nothing else in a work pool")
    caller.must_reach_task_run(parts.store, body.parent_task_run_id)

    def work(tx: Tx) -> tuple[FlowRun, bool]:
        flows.by_id(tx, body.flow_id)
        row, made = new_runs.alone(tx, body)
        caller.has_asked_for(tx, row, made=made, parent=body.parent_task_run_id)
        return views.run(tx, row), made

    run, made = parts.store.transaction(work)
    response.status_code = 201 if made else 200
    return run


@router.post("/filter", dependencies=[scopes.SHARED_READ])
def filter_flow_runs(parts: PartsDep, body: FilterBody) -> list[FlowRun]:
    with parts.store.reading() as tx:
        rows = body.rows(tx, "flow_runs")
        return views.run_list(tx, rows)


@router.post("/count", dependencies=[scopes.SHARED_READ])
def count_flow_runs(parts: PartsDep, body: FilterBody) -> int:
    with parts.store.reading() as tx:
        return body.count(tx, "flow_runs")


@router.get("/{flow_run_id}", dependencies=[scopes.seen("flow_run_id")])
def read_flow_run(parts: PartsDep, flow_run_id: UUID) -> FlowRun:
    with parts.store.reading() as tx:
        return views.run(tx, runs.by_id(tx, flow_run_id))


@router.patch("/{flow_run_id}", status_code=204, dependencies=[scopes.own("flow_run_id")])
def update_flow_run(parts: PartsDep, flow_run_id: UUID, body: FlowRunUpdate) -> None:
    parts.store.transaction(new_runs.change, flow_run_id, body)


@router.delete("/{flow_run_id}", status_code=204, dependencies=[scopes.DEPLOY])
def delete_flow_run(parts: PartsDep, flow_run_id: UUID) -> None:
    def work(tx: Tx) -> None:
        runs.delete_many(tx, [runs.by_id(tx, flow_run_id).id])

    parts.store.transaction(work)


@router.post("/{flow_run_id}/set_state", dependencies=[scopes.own("flow_run_id")])
def set_state(
    parts: PartsDep, flow_run_id: UUID, body: SetState, caller: CallerDep, response: Response
) -> OrchestrationResult:
    """Propose a state: 201 where one was written, 200 where not."""
    author = Author.RUN if caller.is_run else Author.PERSON
    result = parts.store.transaction(proposals.propose, flow_run_id, body.state, author, force=body.force)
    response.status_code = 201 if result.was_written else 200
    return result


@router.post("/{flow_run_id}/resume", dependencies=[scopes.own("flow_run_id")])
def resume_flow_run(
    parts: PartsDep,
    flow_run_id: UUID,
    caller: CallerDep,
    response: Response,
    run_input: Annotated[JsonObject | None, Body(embed=True)] = None,
) -> OrchestrationResult:
    """Let a paused run go on, with what it asked for; a suspended one is launched again."""
    author = Author.RUN if caller.is_run else Author.PERSON
    result = parts.store.transaction(resume.resume, flow_run_id, run_input, author)
    response.status_code = 201 if result.was_written else 200
    return result


@router.patch("/{flow_run_id}/labels", status_code=204, dependencies=[scopes.own("flow_run_id")])
def update_labels(parts: PartsDep, flow_run_id: UUID, body: JsonObject) -> None:
    """Add these labels; those of the same names are replaced."""
    parts.store.transaction(runs.add_labels, flow_run_id, body)


@router.get("/{flow_run_id}/states", dependencies=[scopes.seen("flow_run_id")])
def read_states(parts: PartsDep, flow_run_id: UUID) -> list[State]:
    with parts.store.reading() as tx:
        return runs.history(tx, runs.by_id(tx, flow_run_id).id)
