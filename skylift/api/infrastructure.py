"""What provisioners need to know and leave behind: who this installation is, and what was made for a pool."""

from __future__ import annotations

from uuid import UUID

from pydantic import BaseModel

from skylift.api import scopes
from skylift.api.deps import PartsDep
from skylift.api.routing import Router
from skylift.errors import NotFoundError
from skylift.models.base import JsonObject, Name
from skylift.store import infrastructure

router = Router(tags=["Infrastructure"])


class InstallationIdentity(BaseModel):
    id: UUID
    """Goes into the marks of everything that is made in a cloud."""
    api_url: str
    """Where runs reach the API."""


@router.get("/skylift/installation", dependencies=[scopes.NONE])
def read_installation(parts: PartsDep) -> InstallationIdentity:
    """Who this installation is."""
    return InstallationIdentity(id=parts.store.installation_id, api_url=parts.settings.api_url)


@router.get("/work_pools/{name}/infrastructure", dependencies=[scopes.NONE])
def read_infrastructure(parts: PartsDep, name: str) -> JsonObject:
    """What was made in the cloud for the pool of this name. 404: nothing."""
    with parts.store.reading() as tx:
        record = infrastructure.read(tx, name)
    if record is None:
        raise NotFoundError(f"No infrastructure of a work pool named {name!r} is known here")
    return record


@router.put("/work_pools/{name}/infrastructure", status_code=204, dependencies=[scopes.NONE])
def write_infrastructure(parts: PartsDep, name: Name, body: JsonObject) -> None:
    """Keep what was made; a record without `resources` is forgotten."""
    parts.store.transaction(infrastructure.write, name, body)
