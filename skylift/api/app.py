"""The app: the routers under `/api`, and the webhooks' beside it, over one installation's parts."""

from __future__ import annotations

from fastapi import APIRouter, FastAPI

from skylift import __version__
from skylift.api import (
    admin,
    api_keys,
    artifacts,
    attempts,
    automations,
    blocks,
    collections,
    concurrency_limits,
    deployments,
    errors,
    event_streams,
    events,
    flow_run_bulk,
    flow_run_inputs,
    flow_run_states,
    flow_runs,
    flows,
    hooks,
    infrastructure,
    log_download,
    logs,
    openapi,
    task_runs,
    upkeep,
    variables,
    webhooks,
    work_pools,
    work_queues,
    workers,
)
from skylift.api.bodies import RequestLimits
from skylift.feeds import Feeds
from skylift.parts import Parts
from skylift.store import block_catalogue

ROUTERS: tuple[APIRouter, ...] = (
    # What runs ask for comes first: routes are tried one after the other.
    flow_run_bulk.router,
    flow_run_inputs.router,
    flow_runs.router,
    logs.router,
    attempts.router,
    events.router,
    task_runs.router,
    deployments.router,
    workers.router,
    work_pools.router,
    work_queues.router,
    flows.router,
    flow_run_states.router,
    task_runs.states_router,
    variables.router,
    artifacts.router,
    blocks.router,
    concurrency_limits.by_name,
    concurrency_limits.by_tag,
    collections.router,
    admin.router,
    log_download.router,
    automations.router,
    api_keys.router,
    upkeep.router,
    infrastructure.router,
    webhooks.router,
)
OUTSIDE: tuple[APIRouter, ...] = (hooks.router,)
"""Not under `/api`: whoever calls them has no key of ours, and is known otherwise."""


def create_app(parts: Parts, *, is_trusted: bool = False) -> FastAPI:
    """An app that serves this installation. Its database must be up to date.

    `is_trusted`: whoever calls it can open the database anyway, and is asked for no key.
    """
    block_catalogue.install(parts.store)
    app = FastAPI(
        title="Skylift",
        version=__version__,
        openapi_url="/api/openapi.json",
        docs_url="/docs",
        redoc_url=None,
    )
    app.state.parts = parts
    app.state.is_trusted = is_trusted
    errors.install(app)
    app.add_middleware(RequestLimits)
    app.state.feeds = Feeds(parts.store)
    for router in OUTSIDE:  # first, since routes are tried one after the other, and deliveries come in storms
        app.include_router(router)
    for router in (*ROUTERS, event_streams.router):
        app.include_router(router, prefix="/api")
    openapi.install(app, {"/api": ROUTERS, "": OUTSIDE})
    return app
