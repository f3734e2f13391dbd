"""/skylift/deployments: a list, one deployment's page, and the ledger of its schedules' slots."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Query
from sqlalchemy import Row

from skylift.api import scopes, views
from skylift.api.console import cursors
from skylift.api.deps import PartsDep
from skylift.api.tagged import TaggedRouter
from skylift.errors import InvalidError
from skylift.models.base import Instant
from skylift.models.console.base import Named
from skylift.models.console.deployments import (
    DeploymentRows,
    DeploymentView,
    LedgerLine,
    LedgerRun,
    LedgerView,
    SlotOutcome,
)
from skylift.store import deployment_rows, deployments, ledger, run_rows

router = TaggedRouter(prefix="/skylift/deployments", tags=["Console"])

UPCOMING, RECENT = 10, 20

After = Annotated[str | None, Query(description="The cursor of a page: `next` of the one before")]


@router.get("", dependencies=[scopes.NONE])
def read_deployments(
    parts: PartsDep, after: After = None, limit: Annotated[int, Query(ge=1, le=200)] = 50
) -> DeploymentRows:
    """Deployments by the names of their flows and their own, each with its next run and its last."""
    start = cursors.read(after, cursors.offset) if after else 0
    with parts.store.reading() as tx:
        rows = deployment_rows.found(tx, limit + 1, start)
    return DeploymentRows(deployments=rows[:limit], next=cursors.write(start + limit) if len(rows) > limit else None)


@router.get("/{deployment_id}", dependencies=[scopes.NONE])
def read_deployment_page(parts: PartsDep, deployment_id: UUID) -> DeploymentView:
    """All that the page of a deployment shows at once."""
    with parts.store.reading() as tx:
        row = deployments.by_id(tx, deployment_id)
        return DeploymentView(
            deployment=views.deployment_list(tx, [row], parts.providers)[0],
            upcoming=run_rows.upcoming(tx, deployment_id, UPCOMING),
            recent=run_rows.of_deployment(tx, deployment_id, RECENT),
        )


@router.get("/{deployment_id}/slots", dependencies=[scopes.NONE])
def read_ledger(
    parts: PartsDep,
    deployment_id: UUID,
    start: Annotated[Instant | None, Query(alias="from")] = None,
    end: Annotated[Instant | None, Query(alias="to")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
) -> LedgerView:
    """The slots of the deployment's schedules from one instant up to before another, the newest first: the run that was
    made for each, or why it was skipped."""
    with parts.store.reading() as tx:
        deployment = deployments.by_id(tx, deployment_id)
        if start and end and start >= end:
            raise InvalidError("`from` must be before `to`", field="from")
        rows = ledger.of_deployment(tx, deployment_id, start, end, limit + 1)
        return LedgerView(
            deployment=Named(id=deployment.id, name=deployment.name),
            start=start,
            end=end,
            lines=[_line(row) for row in rows[:limit]],
            more=len(rows) > limit,
        )


def _line(row: Row[tuple[object, ...]]) -> LedgerLine:
    run = None
    if row.flow_run_id:
        run = LedgerRun(id=row.flow_run_id, name=row.name, state_type=row.state_type, state_name=row.state_name)
    return LedgerLine(
        slot=row.slot,
        schedule=row.schedule,
        outcome=SlotOutcome.RUN if run else SlotOutcome.SKIPPED,
        flow_run=run,
        reason=row.skipped,
    )
