"""Making flow runs: of a deployment, or by themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Row
from sqlalchemy.exc import IntegrityError

from skylift.models.runs import DeploymentRunCreate, FlowRunCreate, FlowRunUpdate
from skylift.models.states import State, StateCreate, StateType, make_state
from skylift.names import random_name
from skylift.parameters import check_parameters, from_form
from skylift.rendering import check_run
from skylift.store import Tx, deployments, flows, pools, runs, variables
from skylift.store.engine import TryAgainError


@dataclass(frozen=True, slots=True)
class Draft:
    """A run that can be written as it is."""

    values: dict[str, Any]
    """Columns; those that are missing take their defaults."""
    first: State


def of_deployment(tx: Tx, deployment: Row[Any], wanted: DeploymentRunCreate) -> tuple[Row[Any], bool]:
    """A run of the deployment, and whether it is new: an idempotency key that was used brings the old one."""
    if wanted.idempotency_key:
        known = runs.by_idempotency_key(tx, deployment.flow_id, wanted.idempotency_key)
        if known:
            return known, False
    pool = pools.find(tx, deployment.work_pool_id) if deployment.work_pool_id else None
    return _create(tx, draft(tx, deployment, pool, wanted)), True


def draft(tx: Tx, deployment: Row[Any], pool: Row[Any] | None, wanted: DeploymentRunCreate, **given: Any) -> Draft:
    """A run of the deployment, checked and not yet written; `pool` is the deployment's. Raises `InvalidError`, and what
    `check_run` raises.

    `given`: columns that no client sets, such as who has made it.
    """
    name = wanted.name or random_name()
    parameters = from_form(variables.told(tx, {**deployment.parameters, **wanted.parameters}))
    enforce = wanted.enforce_parameter_schema
    if deployment.enforce_parameter_schema if enforce is None else enforce:
        check_parameters(deployment.parameter_openapi_schema, parameters)
    queue_id = deployment.work_queue_id
    if pool:
        check_run(pool.base_job_template, deployment, name, wanted.job_variables)
        if wanted.work_queue_name:
            queue_id = pools.ensure_queue(tx, pool, wanted.work_queue_name).id
    values = {
        "flow_id": deployment.flow_id,
        "deployment_id": deployment.id,
        "deployment_version": deployment.version,
        "name": name,
        "parameters": parameters,
        "job_variables": wanted.job_variables,
        "context": wanted.context,
        "tags": sorted({*deployment.tags, *wanted.tags}),
        "labels": {**deployment.labels, **wanted.labels},
        "idempotency_key": wanted.idempotency_key,
        "parent_task_run_id": wanted.parent_task_run_id,
        "work_pool_id": pool.id if pool else None,
        "work_queue_id": queue_id if pool else None,
    }
    return Draft(values | given, _first(tx, wanted.state, StateType.SCHEDULED))


def write(tx: Tx, drafts: Sequence[Draft]) -> list[dict[str, Any]]:
    """Write these runs; their rows. Raises `TryAgainError` where one has an idempotency key that was just used."""
    try:
        return runs.create_many(tx, [(each.values, each.first) for each in drafts])
    except IntegrityError as error:
        raise TryAgainError("Another request has just made a run with this idempotency key") from error


def alone(tx: Tx, wanted: FlowRunCreate) -> tuple[Row[Any], bool]:
    """A run as asked for, in a pool only where one is named; and whether it is new."""
    if wanted.idempotency_key:
        known = runs.by_idempotency_key(tx, wanted.flow_id, wanted.idempotency_key)
        if known:
            return known, False
    values = wanted.model_dump(mode="json", exclude={"state", "work_pool_name", "work_queue_name"})
    values |= {"flow_id": wanted.flow_id, "deployment_id": wanted.deployment_id, "name": wanted.name or random_name()}
    values["parent_task_run_id"] = wanted.parent_task_run_id
    deployment = deployments.find(tx, wanted.deployment_id)
    values["labels"] = {**(deployment or flows.by_id(tx, wanted.flow_id)).labels, **wanted.labels}
    if wanted.work_pool_name:
        pool = pools.by_name(tx, wanted.work_pool_name)
        check_run(pool.base_job_template, deployment, values["name"], wanted.job_variables)
        queue = pools.ensure_queue(tx, pool, wanted.work_queue_name)
        values |= {"work_pool_id": pool.id, "work_queue_id": queue.id}
    return _create(tx, Draft(values, _first(tx, wanted.state, StateType.PENDING))), True


def change(tx: Tx, run_id: UUID, changes: FlowRunUpdate) -> None:
    """Change the given fields of a run. Raises `NotFoundError`, and what `check_run` raises for job variables."""
    if changes.job_variables is not None:
        run = runs.lock(tx, run_id)
        pool = pools.find(tx, run.work_pool_id) if run.work_pool_id else None
        if pool:
            name = changes.name or run.name
            check_run(pool.base_job_template, deployments.find(tx, run.deployment_id), name, changes.job_variables)
    runs.change(tx, run_id, changes)


def _create(tx: Tx, wanted: Draft) -> Row[Any]:
    return runs.by_id(tx, write(tx, [wanted])[0]["id"])


def _first(tx: Tx, wanted: StateCreate | None, default: StateType) -> State:
    """The first state: as asked for, scheduled for now where no time was named."""
    wanted = wanted or StateCreate(type=default)
    state = make_state(wanted.type, tx.now, name=wanted.name, message=wanted.message, data=wanted.data)
    state.state_details = wanted.state_details
    if state.type is StateType.SCHEDULED and not state.scheduled_time:
        state.state_details.scheduled_time = tx.now
    return state
