"""Health, versions, and the questions of clients that this server answers with "not here"."""

from __future__ import annotations

from uuid import UUID

from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from skylift import __version__
from skylift.api import scopes
from skylift.api.deps import PartsDep
from skylift.api.routing import Router
from skylift.models.base import Wire
from skylift.store import result_storage

CLIENT_VERSION = "3.99.0"
"""Clients refuse another major version than their own, and grumble about an older one than theirs."""

router = Router(tags=["Service"])


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


class PageSettings(BaseModel):
    """What the dialect's web page asks for of the server's settings, which are the operator's."""

    analytics_enabled: bool = False
    ui: dict[str, bool] = Field(default={"show_promotional_content": False})


class ServerSettings(BaseModel):
    server: PageSettings = Field(default_factory=PageSettings)


@router.get("/admin/settings", dependencies=[scopes.READ])
def read_settings() -> ServerSettings:
    """For web pages: nothing is measured or advertised. Nothing else of the settings is told."""
    return ServerSettings()


class ResultStorage(BaseModel):
    """Where results are kept that a flow names no place for; null: where the flow runs."""

    default_result_storage_block_id: UUID | None


class ResultStorageUpdate(Wire):
    default_result_storage_block_id: UUID


@router.get("/admin/storage", dependencies=[scopes.SHARED_READ])
def read_storage(parts: PartsDep) -> ResultStorage:
    """The default block for results."""
    with parts.store.reading() as tx:
        return ResultStorage(default_result_storage_block_id=result_storage.read(tx))


@router.put("/admin/storage", dependencies=[scopes.NONE])
def update_storage(parts: PartsDep, body: ResultStorageUpdate) -> ResultStorage:
    """Choose the default block for results."""
    parts.store.transaction(result_storage.write, body.default_result_storage_block_id)
    return ResultStorage(default_result_storage_block_id=body.default_result_storage_block_id)


@router.delete("/admin/storage", status_code=204, dependencies=[scopes.NONE])
def clear_storage(parts: PartsDep) -> None:
    """Go without a default block for results."""
    parts.store.transaction(result_storage.clear)


@router.get("/csrf-token", dependencies=[scopes.OPEN])
def csrf_token() -> JSONResponse:
    """Credentials are in headers and never in cookies, so there is nothing to forge. Clients know this answer."""
    return JSONResponse({"detail": "CSRF protection is disabled."}, 422)
