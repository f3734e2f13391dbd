"""/flow_runs: many at once, and figures over many."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Body
from pydantic import BaseModel

from skylift.api import scopes, views
from skylift.api.deps import FilterBody, PartsDep
from skylift.api.histories import HistoryBody
from skylift.api.pages import Bulk, BulkBody, Deleted, Page, PageBody, matching_ids, read_page
from skylift.api.routing import Router
from skylift.errors import NotFoundError
from skylift.models.runs import BulkResult, FlowRun, HistoryInterval
from skylift.models.states import StateCreate
from skylift.store import Tx, proposals, run_times, runs
from skylift.transitions import Author

router = Router(prefix="/flow_runs", tags=["Flow runs"])


class FlowRunPage(Page):
    results: list[FlowRun]


@router.post("/paginate", dependencies=[scopes.SHARED_READ])
def paginate_flow_runs(parts: PartsDep, body: PageBody) -> FlowRunPage:
    with parts.store.reading() as tx:
        rows, page = read_page(tx, "flow_runs", body)
        return FlowRunPage(results=views.run_list(tx, rows), **page)


@router.post("/history", dependencies=[scopes.SHARED_READ])
def read_history(parts: PartsDep, body: HistoryBody) -> list[HistoryInterval]:
    """How many runs of each state were expected in each interval."""
    with parts.store.reading() as tx:
        return body.read(tx, "flow_runs")


@router.post("/lateness", dependencies=[scopes.SHARED_READ])
def read_lateness(parts: PartsDep, body: FilterBody) -> float | None:
    """How late runs start on average, in seconds."""
    with parts.store.reading() as tx:
        return run_times.average_lateness(tx, body.filters)


@router.post("/bulk_delete", dependencies=[scopes.DEPLOY])
def delete_flow_runs(parts: PartsDep, body: BulkBody) -> Deleted:
    def work(tx: Tx) -> list[UUID]:
        ids = matching_ids(tx, "flow_runs", body)
        runs.delete_many(tx, ids)
        return ids

    return Deleted(deleted=parts.store.transaction(work))


class BulkState(Bulk):
    state: StateCreate
    force: bool = False


class BulkResults(BaseModel):
    results: list[BulkResult]


@router.post("/bulk_set_state", dependencies=[scopes.DEPLOY])
def set_states(parts: PartsDep, body: Annotated[BulkState, Body()]) -> BulkResults:
    """Propose a state to each; how one is answered changes nothing for the others."""
    with parts.store.reading() as tx:
        ids = matching_ids(tx, "flow_runs", body)
    results = []
    for run_id in ids:
        wanted = body.state.model_copy(deep=True)
        try:
            answer = parts.store.transaction(proposals.propose, run_id, wanted, Author.PERSON, force=body.force)
        except NotFoundError:
            continue  # deleted meanwhile
        results.append(BulkResult(flow_run_id=run_id, **answer.model_dump()))
    return BulkResults(results=results)
