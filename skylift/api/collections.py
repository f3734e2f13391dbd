"""/collections: the work pool types that there are, with their default base job templates."""

from __future__ import annotations

from typing import Any

from skylift import collections
from skylift.api import scopes
from skylift.api.deps import PartsDep
from skylift.api.routing import Router

router = Router(prefix="/collections", tags=["Collections"])


@router.get("/views/aggregate-worker-metadata", dependencies=[scopes.SHARED_READ])
def worker_metadata(parts: PartsDep) -> dict[str, dict[str, Any]]:
    """By collection and type; the unmodified `prefect` client takes its default templates from here."""
    return {"skylift": collections.catalogue(parts.providers)}


@router.get("/work_pool_types", dependencies=[scopes.SHARED_READ])
def work_pool_types(parts: PartsDep) -> dict[str, dict[str, Any]]:
    """The same, where a client that believes to talk to its maker's cloud looks for it."""
    return {"skylift": collections.catalogue(parts.providers)}
