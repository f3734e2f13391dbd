"""/variables"""

from __future__ import annotations

from uuid import UUID

from skylift.api import scopes
from skylift.api.deps import FilterBody, PartsDep
from skylift.api.routing import Router
from skylift.models.stored_values import Variable, VariableCreate, VariableUpdate
from skylift.store import variables

router = Router(prefix="/variables", tags=["Variables"])


@router.post("/", status_code=201, dependencies=[scopes.SHARED_WRITE])
def create_variable(parts: PartsDep, body: VariableCreate) -> Variable:
    return parts.store.transaction(variables.create, body)


@router.post("/filter", dependencies=[scopes.SHARED_READ])
def filter_variables(parts: PartsDep, body: FilterBody) -> list[Variable]:
    with parts.store.reading() as tx:
        return variables.find(tx, body.filters, body.sort, body.limit, body.offset)


@router.post("/count", dependencies=[scopes.SHARED_READ])
def count_variables(parts: PartsDep, body: FilterBody) -> int:
    with parts.store.reading() as tx:
        return variables.count(tx, body.filters)


@router.get("/name/{name}", dependencies=[scopes.SHARED_READ])
def read_variable_by_name(parts: PartsDep, name: str) -> Variable:
    with parts.store.reading() as tx:
        return variables.by_name(tx, name)


@router.patch("/name/{name}", status_code=204, dependencies=[scopes.SHARED_WRITE])
def update_variable_by_name(parts: PartsDep, name: str, body: VariableUpdate) -> None:
    parts.store.transaction(variables.update, name, body)


@router.delete("/name/{name}", status_code=204, dependencies=[scopes.SHARED_WRITE])
def delete_variable_by_name(parts: PartsDep, name: str) -> None:
    parts.store.transaction(variables.delete, name)


@router.get("/{variable_id}", dependencies=[scopes.SHARED_READ])
def read_variable(parts: PartsDep, variable_id: UUID) -> Variable:
    with parts.store.reading() as tx:
        return variables.by_id(tx, variable_id)


@router.patch("/{variable_id}", status_code=204, dependencies=[scopes.SHARED_WRITE])
def update_variable(parts: PartsDep, variable_id: UUID, body: VariableUpdate) -> None:
    parts.store.transaction(variables.update, variable_id, body)


@router.delete("/{variable_id}", status_code=204, dependencies=[scopes.SHARED_WRITE])
def delete_variable(parts: PartsDep, variable_id: UUID) -> None:
    parts.store.transaction(variables.delete, variable_id)
