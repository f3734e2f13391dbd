"""/flow_runs/{id}/input: values that are sent to a run."""

from __future__ import annotations

from uuid import UUID

from fastapi.responses import PlainTextResponse
from pydantic import Field

from skylift.api import scopes
from skylift.api.deps import PartsDep
from skylift.api.routing import Router
from skylift.models.api_keys import Role
from skylift.models.base import Wire
from skylift.models.runs import FlowRunInput, InputCreate
from skylift.store import inputs

router = Router(prefix="/flow_runs", tags=["Flow run inputs"])


class InputFilter(Wire):
    prefix: str
    limit: int = Field(1, ge=0)
    exclude_keys: list[str] = Field(default_factory=list, max_length=5000)


@router.post("/{flow_run_id}/input", status_code=201, dependencies=[scopes.own("flow_run_id")])
def create_input(parts: PartsDep, flow_run_id: UUID, body: InputCreate) -> None:
    parts.store.transaction(inputs.create, flow_run_id, body)


@router.post("/{flow_run_id}/input/filter", dependencies=[scopes.own("flow_run_id", role=Role.VIEWER)])
def filter_inputs(parts: PartsDep, flow_run_id: UUID, body: InputFilter) -> list[FlowRunInput]:
    """By the beginning of their keys, the oldest first."""
    with parts.store.reading() as tx:
        return inputs.matching(tx, flow_run_id, body.prefix, body.limit, body.exclude_keys)


@router.get("/{flow_run_id}/input/{key}", dependencies=[scopes.own("flow_run_id")])
def read_input(parts: PartsDep, flow_run_id: UUID, key: str) -> PlainTextResponse:
    """The value as it was sent."""
    with parts.store.reading() as tx:
        return PlainTextResponse(inputs.read(tx, flow_run_id, key))


@router.delete("/{flow_run_id}/input/{key}", status_code=204, dependencies=[scopes.own("flow_run_id")])
def delete_input(parts: PartsDep, flow_run_id: UUID, key: str) -> None:
    parts.store.transaction(inputs.delete, flow_run_id, key)
