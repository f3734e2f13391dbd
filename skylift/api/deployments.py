"""/deployments, with their schedules."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Body, Query, Response
from sqlalchemy import Row

from skylift import new_runs
from skylift.api import scopes, views
from skylift.api.deps import FilterBody, PartsDep
from skylift.models.flows import (
    Deployment,
    DeploymentCreate,
    DeploymentSchedule,
    DeploymentUpdate,
    ScheduleCreate,
    ScheduleUpdate,
    Slot,
)
from skylift.models.runs import DeploymentRunCreate, FlowRun
from skylift.parts import Parts
from skylift.store import Tx, deployments
from skylift.store.filters import count_filtered, select_filtered

router = APIRouter(prefix="/deployments", tags=["Deployments"])


@router.post("/", status_code=201, dependencies=[scopes.NONE])
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
        rows = tx.all(select_filtered("deployments", body.filters, body.sort, body.limit, body.offset))
        return views.deployment_list(tx, rows, parts.providers)


@router.post("/count", dependencies=[scopes.SHARED_READ])
def count_deployments(parts: PartsDep, body: FilterBody) -> int:
    with parts.store.reading() as tx:
        return int(tx.conn.execute(count_filtered("deployments", body.filters)).scalar_one())


@router.get("/name/{flow_name}/{name}", dependencies=[scopes.SHARED_READ])
def read_deployment_by_name(parts: PartsDep, flow_name: str, name: str) -> Deployment:
    with parts.store.reading() as tx:
        return views.deployment_list(tx, [deployments.by_name(tx, flow_name, name)], parts.providers)[0]


@router.get("/{deployment_id}", dependencies=[scopes.SHARED_READ])
def read_deployment(parts: PartsDep, deployment_id: UUID) -> Deployment:
    with parts.store.reading() as tx:
        return views.deployment_list(tx, [deployments.by_id(tx, deployment_id)], parts.providers)[0]


@router.patch("/{deployment_id}", status_code=204, dependencies=[scopes.NONE])
def update_deployment(parts: PartsDep, deployment_id: UUID, body: DeploymentUpdate) -> None:
    parts.store.transaction(deployments.update_deployment, deployment_id, body)


@router.delete("/{deployment_id}", status_code=204, dependencies=[scopes.NONE])
def delete_deployment(parts: PartsDep, deployment_id: UUID) -> None:
    parts.store.transaction(deployments.delete_deployment, deployment_id)


@router.post("/{deployment_id}/pause_deployment", dependencies=[scopes.NONE])
def pause_deployment(parts: PartsDep, deployment_id: UUID) -> None:
    parts.store.transaction(deployments.update_deployment, deployment_id, DeploymentUpdate(paused=True))


@router.post("/{deployment_id}/resume_deployment", dependencies=[scopes.NONE])
def resume_deployment(parts: PartsDep, deployment_id: UUID) -> None:
    parts.store.transaction(deployments.update_deployment, deployment_id, DeploymentUpdate(paused=False))


@router.post("/{deployment_id}/create_flow_run", status_code=201, dependencies=[scopes.SHARED_WRITE])
def create_flow_run(parts: PartsDep, deployment_id: UUID, body: DeploymentRunCreate, response: Response) -> FlowRun:
    """A run of the deployment (201), or the one that was made with this idempotency key (200)."""

    def work(tx: Tx) -> tuple[FlowRun, bool]:
        row, made = new_runs.of_deployment(tx, deployments.by_id(tx, deployment_id), body)
        return views.run(tx, row), made

    run, made = parts.store.transaction(work)
    response.status_code = 201 if made else 200
    return run


@router.get("/{deployment_id}/schedules", dependencies=[scopes.SHARED_READ])
def read_schedules(parts: PartsDep, deployment_id: UUID) -> list[DeploymentSchedule]:
    with parts.store.reading() as tx:
        rows = deployments.schedules_of(tx, [deployments.by_id(tx, deployment_id).id])[deployment_id]
        return [DeploymentSchedule.model_validate(row) for row in rows]


@router.post("/{deployment_id}/schedules", status_code=201, dependencies=[scopes.NONE])
def create_schedules(
    parts: PartsDep, deployment_id: UUID, body: Annotated[list[ScheduleCreate], Body()]
) -> list[DeploymentSchedule]:
    def work(tx: Tx) -> list[DeploymentSchedule]:
        deployment = deployments.lock(tx, deployment_id)
        ids = [deployments.add_schedule(tx, deployment, each) for each in body]
        return [DeploymentSchedule.model_validate(deployments.schedule_by_id(tx, deployment_id, i)) for i in ids]

    return parts.store.transaction(work)


@router.patch("/{deployment_id}/schedules/{schedule_id}", status_code=204, dependencies=[scopes.NONE])
def update_schedule(parts: PartsDep, deployment_id: UUID, schedule_id: UUID, body: ScheduleUpdate) -> None:
    parts.store.transaction(deployments.update_schedule, deployment_id, schedule_id, body)


@router.delete("/{deployment_id}/schedules/{schedule_id}", status_code=204, dependencies=[scopes.NONE])
def delete_schedule(parts: PartsDep, deployment_id: UUID, schedule_id: UUID) -> None:
    def work(tx: Tx) -> None:
        deployments.lock(tx, deployment_id)
        deployments.remove_schedule(tx, deployments.schedule_by_id(tx, deployment_id, schedule_id))

    parts.store.transaction(work)


@router.get("/{deployment_id}/slots", dependencies=[scopes.NONE])
def read_slots(parts: PartsDep, deployment_id: UUID, limit: Annotated[int, Query(ge=1, le=1000)] = 100) -> list[Slot]:
    """The newest lines of the slot ledger: what was made, and what was skipped and why."""
    with parts.store.reading() as tx:
        return [Slot.model_validate(row) for row in deployments.slots_of(tx, deployment_id, limit)]
