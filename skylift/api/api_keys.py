"""/api_keys: who may reach the API."""

from __future__ import annotations

from skylift.api import scopes
from skylift.api.deps import PartsDep
from skylift.api.routing import Router
from skylift.models.api_keys import ApiKey, ApiKeyCreate, NewApiKey
from skylift.store import api_keys

router = Router(prefix="/api_keys", tags=["API keys"])


@router.post("/", status_code=201, dependencies=[scopes.NONE])
def create_api_key(parts: PartsDep, body: ApiKeyCreate) -> NewApiKey:
    """Make a key; the answer is the only time that it is shown."""
    return parts.store.transaction(api_keys.create, body)


@router.get("/", dependencies=[scopes.NONE])
def read_api_keys(parts: PartsDep) -> list[ApiKey]:
    with parts.store.reading() as tx:
        return api_keys.every(tx)


@router.delete("/{name}", status_code=204, dependencies=[scopes.NONE])
def revoke_api_key(parts: PartsDep, name: str) -> None:
    """Revoke a key: what comes with it is refused from now on."""
    parts.store.transaction(api_keys.revoke, name)
