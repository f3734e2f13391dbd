"""/deployments, with their schedules."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Body, Response
from pydantic import BaseModel
from sqlalchemy import Row

from skylift import new_runs
from skylift.api import scopes, views
from skylift.api.callers import CallerDep
from skylift.api.deps import FilterBody, PartsDep
from skylift.api.pages import BulkBody, Deleted, Page, PageBody, matching_ids, read_page
from skylift.api.routing import Router
from skylift.errors import InvalidError
from skylift.models.base import Instant, Wire
from skylift.models.flows import (
    Deployment,
    DeploymentCreate,
    DeploymentSchedule,
    DeploymentUpdate,
    ScheduleCreate,
    ScheduleUpdate,
)
from skylift.models.pools import WorkQueue
from skylift.models.runs import DeploymentRunCreate, FlowRun
from skylift.parts import Parts
from skylift.schedule import continue_ledgers
from skylift.store import Tx, deployments, pools

router = Router(prefix="/deployments", tags=["Deployments"])


@router.post("/", status_code=201, dependencies=[scopes.DEPLOY])
def create_deployment(parts: PartsDep, body: DeploymentCreate, response: Response) -> Deployment:
    """Make the deployment (201), or make the one of this flow and name like this (200)."""
    row, made = parts.store.transaction(deployments.upsert, body)
    response.status_code = 201 if made else 200
    return _view(parts, row)


def _view(parts: Parts, row: Row[Any]) -> Deployment:
    with parts.store.reading() as tx:
        return views.deployment_list(tx, [row], parts.providers)[0]


@router.post("/filter", dependencies=[scopes.SHARED_READ])
def filter_deployments(parts: PartsDep, body: FilterBody) -> list[Deployment]:
    with parts.store.reading() as tx:
        rows = body.rows(tx, "deployments")
        return views.deployment_list(tx, rows, parts.providers)


@router.post("/count", dependencies=[scopes.SHARED_READ])
def count_deployments(parts: PartsDep, body: FilterBody) -> int:
    with parts.store.reading() as tx:
        return body.count(tx, "deployments")


class DeploymentPage(Page):
    results: list[Deployment]


@router.post("/paginate", dependencies=[scopes.SHARED_READ])
def paginate_deployments(parts: PartsDep, body: PageBody) -> DeploymentPage:
    with parts.store.reading() as tx:
        rows, page = read_page(tx, "deployments", body)
        return DeploymentPage(results=views.deployment_list(tx, rows, parts.providers), **page)


@router.post("/bulk_delete", dependencies=[scopes.DEPLOY])
def delete_deployments(parts: PartsDep, body: BulkBody) -> Deleted:
    def work(tx: Tx) -> list[UUID]:
        ids = sorted(matching_ids(tx, "deployments", body))
        for deployment_id in ids:
            deployments.delete_deployment(tx, deployment_id)
        return ids

    return Deleted(deleted=parts.store.transaction(work))


@router.get("/name/{flow_name}/{name}", dependencies=[scopes.SHARED_READ])
def read_deployment_by_name(parts: PartsDep, flow_name: str, name: str) -> Deployment:
    with parts.store.reading() as tx:
        return views.deployment_list(tx, [deployments.by_name(tx, flow_name, name)], parts.providers)[0]


@router.get("/{deployment_id}", dependencies=[scopes.SHARED_READ])
def read_deployment(parts: PartsDep, deployment_id: UUID) -> Deployment:
    with parts.store.reading() as tx:
        return views.deployment_list(tx, [deployments.by_id(tx, deployment_id)], parts.providers)[0]


@router.patch("/{deployment_id}", status_code=204, dependencies=[scopes.DEPLOY])
def update_deployment(parts: PartsDep, deployment_id: UUID, body: DeploymentUpdate) -> None:
    parts.store.transaction(deployments.update_deployment, deployment_id, body)


@router.delete("/{deployment_id}", status_code=204, dependencies=[scopes.DEPLOY])
def delete_deployment(parts: PartsDep, deployment_id: UUID) -> None:
    parts.store.transaction(deployments.delete_deployment, deployment_id)


@router.post("/{deployment_id}/pause_deployment", dependencies=[scopes.DEPLOY])
def pause_deployment(parts: PartsDep, deployment_id: UUID) -> None:
    parts.store.transaction(deployments.update_deployment, deployment_id, DeploymentUpdate(paused=True))


@router.post("/{deployment_id}/resume_deployment", dependencies=[scopes.DEPLOY])
def resume_deployment(parts: PartsDep, deployment_id: UUID) -> None:
    parts.store.transaction(deployments.update_deployment, deployment_id, DeploymentUpdate(paused=False))


class ScheduleNow(Wire):
    """From when on runs are to be made. How many is the schedules' own affair."""

    start_time: Instant | None = None


@router.post("/{deployment_id}/schedule", dependencies=[scopes.DEPLOY])
def schedule_runs(parts: PartsDep, deployment_id: UUID, body: Annotated[ScheduleNow | None, Body()] = None) -> None:
    """Make the next runs of the deployment's schedules now, and not at the next tick."""

    def work(tx: Tx) -> None:
        if body and body.start_time and body.start_time < tx.now:
            raise InvalidError(
                "Runs are made from now on: for slots of the past create runs with their own scheduled times",
                field="start_time",
            )
        ids = deployments.let_tick(tx, deployment_id)
        while ids:
            ids = continue_ledgers(tx, ids, catchup=timedelta(seconds=parts.settings.catchup))

    parts.store.transaction(work)


@router.post("/{deployment_id}/create_flow_run", status_code=201, dependencies=[scopes.SHARED_WRITE])
def create_flow_run(
    parts: PartsDep, caller: CallerDep, deployment_id: UUID, body: DeploymentRunCreate, response: Response
) -> FlowRun:
    """A run of the deployment (201), or the one that was made with this idempotency key (200)."""
    caller.must_reach_task_run(parts.store, body.parent_task_run_id)

    def work(tx: Tx) -> tuple[FlowRun, bool]:
        row, made = new_runs.of_deployment(tx, deployments.by_id(tx, deployment_id), body)
        caller.has_asked_for(tx, row, made=made, parent=body.parent_task_run_id)
        return views.run(tx, row), made

    run, made = parts.store.transaction(work)
    response.status_code = 201 if made else 200
    return run


class BulkRun(BaseModel):
    """What became of one of the runs that were asked for."""

    flow_run_id: UUID | None = None
    status: Literal["CREATED", "FAILED"]
    error: str | None = None


class BulkRuns(BaseModel):
    results: list[BulkRun]


@router.post("/{deployment_id}/create_flow_run/bulk", dependencies=[scopes.SHARED_WRITE])
def create_flow_runs(
    parts: PartsDep,
    caller: CallerDep,
    deployment_id: UUID,
    body: Annotated[list[DeploymentRunCreate], Body(max_length=100)],
) -> BulkRuns:
    """Runs of the deployment, one after the other: what is wrong with one changes nothing for the others."""
    for each in body:
        caller.must_reach_task_run(parts.store, each.parent_task_run_id)

    def work(tx: Tx, wanted: DeploymentRunCreate) -> UUID:
        row, made = new_runs.of_deployment(tx, deployments.by_id(tx, deployment_id), wanted)
        caller.has_asked_for(tx, row, made=made, parent=wanted.parent_task_run_id)
        run_id: UUID = row.id
        return run_id

    with parts.store.reading() as tx:
        deployments.by_id(tx, deployment_id)
    results = []
    for wanted in body:
        try:
            results.append(BulkRun(flow_run_id=parts.store.transaction(work, wanted), status="CREATED"))
        except InvalidError as error:
            results.append(BulkRun(status="FAILED", error=str(error)))
    return BulkRuns(results=results)


@router.get("/{deployment_id}/work_queue_check", dependencies=[scopes.SHARED_READ])
def read_work_queues(parts: PartsDep, deployment_id: UUID) -> list[WorkQueue]:
    """The work queue that its runs go to, where there is one."""
    with parts.store.reading() as tx:
        row = deployments.by_id(tx, deployment_id)
        found = [pools.queue_by_id(tx, row.work_queue_id)] if row.work_queue_id else []
        return views.queues(tx, found, parts.providers)


@router.get("/{deployment_id}/schedules", dependencies=[scopes.SHARED_READ])
def read_schedules(parts: PartsDep, deployment_id: UUID) -> list[DeploymentSchedule]:
    with parts.store.reading() as tx:
        rows = deployments.schedules_of(tx, [deployments.by_id(tx, deployment_id).id])[deployment_id]
        return [DeploymentSchedule.model_validate(row) for row in rows]


@router.post("/{deployment_id}/schedules", status_code=201, dependencies=[scopes.DEPLOY])
def create_schedules(
    parts: PartsDep, deployment_id: UUID, body: Annotated[list[ScheduleCreate], Body()]
) -> list[DeploymentSchedule]:
    def work(tx: Tx) -> list[DeploymentSchedule]:
        deployment = deployments.lock(tx, deployment_id)
        ids = [deployments.add_schedule(tx, deployment, each) for each in body]
        return [DeploymentSchedule.model_validate(deployments.schedule_by_id(tx, deployment_id, i)) for i in ids]

    return parts.store.transaction(work)


@router.patch("/{deployment_id}/schedules/{schedule_id}", status_code=204, dependencies=[scopes.DEPLOY])
def update_schedule(parts: PartsDep, deployment_id: UUID, schedule_id: UUID, body: ScheduleUpdate) -> None:
    parts.store.transaction(deployments.update_schedule, deployment_id, schedule_id, body)


@router.delete("/{deployment_id}/schedules/{schedule_id}", status_code=204, dependencies=[scopes.DEPLOY])
def delete_schedule(parts: PartsDep, deployment_id: UUID, schedule_id: UUID) -> None:
    def work(tx: Tx) -> None:
        deployments.lock(tx, deployment_id)
        deployments.remove_schedule(tx, deployments.schedule_by_id(tx, deployment_id, schedule_id))

    parts.store.transaction(work)
