"""The app: every router under `/api`, over one installation's parts."""

from __future__ import annotations

from fastapi import APIRouter, FastAPI

from skylift import __version__
from skylift.api import (
    admin,
    attempts,
    blocks,
    collections,
    deployments,
    errors,
    flow_runs,
    flows,
    logs,
    variables,
    work_pools,
    work_queues,
)
from skylift.parts import Parts
from skylift.store import block_catalogue

ROUTERS: tuple[APIRouter, ...] = (
    admin.router,
    collections.router,
    work_pools.router,
    work_queues.router,
    flows.router,
    deployments.router,
    flow_runs.router,
    attempts.router,
    variables.router,
    blocks.router,
    logs.router,
)


def create_app(parts: Parts) -> FastAPI:
    """An app that serves this installation. Its database must be up to date."""
    block_catalogue.install(parts.store)
    app = FastAPI(
        title="Skylift",
        version=__version__,
        openapi_url="/api/openapi.json",
        docs_url=None,
        redoc_url=None,
    )
    app.state.parts = parts
    errors.install(app)
    for router in ROUTERS:
        app.include_router(router, prefix="/api")
    return app
