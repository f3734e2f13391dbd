"""Health, versions, and the questions of clients that this server answers with "not here"."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from skylift import __version__
from skylift.api import scopes
from skylift.api.deps import PartsDep

CLIENT_VERSION = "3.99.0"
"""Clients refuse another major version than their own, and grumble about an older one than theirs."""

router = APIRouter()


@router.get("/health", dependencies=[scopes.OPEN])
def health() -> bool:
    """Whether the process answers."""
    return True


@router.get("/ready", dependencies=[scopes.OPEN])
def ready(parts: PartsDep) -> JSONResponse:
    """Whether the database answers, and has the tables of this version."""
    if parts.store.is_current():
        return JSONResponse({"message": "OK"})
    return JSONResponse({"message": "The database has to be migrated"}, 503)


@router.get("/hello", dependencies=[scopes.OPEN])
def hello() -> str:
    return "hello"


@router.get("/version", dependencies=[scopes.OPEN])
def version() -> str:
    """Skylift's own version."""
    return __version__


@router.get("/admin/version", dependencies=[scopes.SHARED_READ])
def client_version() -> str:
    """The version of the dialect."""
    return CLIENT_VERSION


@router.get("/admin/storage", dependencies=[scopes.SHARED_READ])
def storage() -> dict[str, Any]:
    """The default block for results: none."""
    return {"default_result_storage_block_id": None}


@router.get("/csrf-token", dependencies=[scopes.OPEN])
def csrf_token() -> JSONResponse:
    """Credentials are in headers and never in cookies, so there is nothing to forge. Clients know this answer."""
    return JSONResponse({"detail": "CSRF protection is disabled."}, 422)


@router.delete("/automations/owned-by/{resource:path}", status_code=202, dependencies=[scopes.NONE])
def delete_owned_automations(resource: str) -> None:
    """Sent with every deployment. There are none."""


@router.get("/automations/related-to/{resource:path}", dependencies=[scopes.NONE])
def related_automations(resource: str) -> list[dict[str, Any]]:
    """There are none."""
    return []
