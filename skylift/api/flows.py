"""/flows"""

from __future__ import annotations

from uuid import UUID

from fastapi import Response

from skylift.api import scopes
from skylift.api.deps import FilterBody, PartsDep
from skylift.api.pages import BulkBody, Deleted, Page, PageBody, matching_ids, read_page
from skylift.api.routing import Router
from skylift.models.flows import Flow, FlowCreate, FlowUpdate
from skylift.store import Tx, flows

router = Router(prefix="/flows", tags=["Flows"])


@router.post("/", status_code=201, dependencies=[scopes.SHARED_WRITE])
def create_flow(parts: PartsDep, body: FlowCreate, response: Response) -> Flow:
    """Make a flow (201), or answer with the one of this name (200)."""
    flow, made = parts.store.transaction(flows.create, body)
    response.status_code = 201 if made else 200
    return flow


class FlowPage(Page):
    results: list[Flow]


@router.post("/paginate", dependencies=[scopes.SHARED_READ])
def paginate_flows(parts: PartsDep, body: PageBody) -> FlowPage:
    with parts.store.reading() as tx:
        rows, page = read_page(tx, "flows", body)
        return FlowPage(results=[Flow.model_validate(row) for row in rows], **page)


@router.post("/bulk_delete", dependencies=[scopes.DEPLOY])
def delete_flows(parts: PartsDep, body: BulkBody) -> Deleted:
    """All or none: refused while deployments or runs belong to one of them."""

    def work(tx: Tx) -> list[UUID]:
        ids = matching_ids(tx, "flows", body)
        for flow_id in ids:
            flows.delete(tx, flow_id)
        return ids

    return Deleted(deleted=parts.store.transaction(work))


@router.get("/{flow_id}", dependencies=[scopes.SHARED_READ])
def read_flow(parts: PartsDep, flow_id: UUID) -> Flow:
    with parts.store.reading() as tx:
        return flows.by_id(tx, flow_id)


@router.get("/name/{name}", dependencies=[scopes.SHARED_READ])
def read_flow_by_name(parts: PartsDep, name: str) -> Flow:
    with parts.store.reading() as tx:
        return flows.by_name(tx, name)


@router.post("/filter", dependencies=[scopes.SHARED_READ])
def filter_flows(parts: PartsDep, body: FilterBody) -> list[Flow]:
    with parts.store.reading() as tx:
        return flows.find(tx, body.filters, body.sort, body.limit, body.offset)


@router.post("/count", dependencies=[scopes.SHARED_READ])
def count_flows(parts: PartsDep, body: FilterBody) -> int:
    with parts.store.reading() as tx:
        return flows.count(tx, body.filters)


@router.patch("/{flow_id}", status_code=204, dependencies=[scopes.DEPLOY])
def update_flow(parts: PartsDep, flow_id: UUID, body: FlowUpdate) -> None:
    parts.store.transaction(flows.update, flow_id, body)


@router.delete("/{flow_id}", status_code=204, dependencies=[scopes.DEPLOY])
def delete_flow(parts: PartsDep, flow_id: UUID) -> None:
    """Refused while deployments or runs belong to it."""
    parts.store.transaction(flows.delete, flow_id)
