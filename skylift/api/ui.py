"""/ui and the like: what only web pages ask for."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import Query

from skylift import form_values, parameters
from skylift.api import scopes
from skylift.api.deps import FilterBody, PartsDep
from skylift.api.routing import Router
from skylift.models.base import EARLIEST, Instant
from skylift.models.ui import FlowIds, FlowRunIds, FormValues, FormVerdict, Graph, NamedTaskRun, NextRun, RunPoint
from skylift.store import run_graph, task_runs, ui_figures, variables

router = Router(tags=["Web pages"])


@router.post("/ui/flow_runs/count-task-runs", dependencies=[scopes.READ])
def count_task_runs_by_flow_run(parts: PartsDep, body: FlowRunIds) -> dict[UUID, int]:
    """How many task runs each of these flow runs has."""
    with parts.store.reading() as tx:
        return ui_figures.task_run_counts(tx, body.flow_run_ids)


@router.post("/ui/flow_runs/history", dependencies=[scopes.READ])
def read_run_points(parts: PartsDep, body: FilterBody) -> list[RunPoint]:
    """Flow runs as points of a chart."""
    with parts.store.reading() as tx:
        return ui_figures.run_points(tx, body.filters, body.sort, body.limit, body.offset)


@router.post("/ui/flows/count-deployments", dependencies=[scopes.READ])
def count_deployments_by_flow(parts: PartsDep, body: FlowIds) -> dict[UUID, int]:
    """How many deployments each of these flows has."""
    with parts.store.reading() as tx:
        return ui_figures.deployment_counts(tx, body.flow_ids)


@router.post("/ui/flows/next-runs", dependencies=[scopes.READ])
def next_runs_by_flow(parts: PartsDep, body: FlowIds) -> dict[UUID, NextRun | None]:
    """The scheduled run of each of these flows that comes first."""
    with parts.store.reading() as tx:
        return ui_figures.next_runs(tx, body.flow_ids)


@router.get("/ui/task_runs/{task_run_id}", dependencies=[scopes.NONE])
def read_named_task_run(parts: PartsDep, task_run_id: UUID) -> NamedTaskRun:
    """A task run with the name of its flow run."""
    with parts.store.reading() as tx:
        return ui_figures.named_task_run(tx, task_runs.by_id(tx, task_run_id))


@router.post("/ui/schemas/validate", dependencies=[scopes.READ])
def validate_form(parts: PartsDep, body: FormValues) -> FormVerdict:
    """Hold a form's values to a schema, as runs' parameters are held to their deployment's."""
    parameters.check_schema(body.json_schema)
    with parts.store.reading() as tx:
        form = variables.told(tx, body.values)
    errors = form_values.nested(parameters.faults_of_form(body.json_schema, form))
    return FormVerdict.model_validate({"errors": errors, "valid": not errors})


@router.get("/flow_runs/{flow_run_id}/graph-v2", dependencies=[scopes.NONE])
def read_graph(parts: PartsDep, flow_run_id: UUID, since: Annotated[Instant, Query()] = EARLIEST) -> Graph:
    """What ran within a flow run, without what ended before `since`."""
    with parts.store.reading() as tx:
        return run_graph.read(tx, flow_run_id, since)


@router.post("/saved_searches/filter", dependencies=[scopes.READ])
def filter_saved_searches() -> list[dict[str, Any]]:
    """There are none: addresses of pages hold their filters."""
    return []
