"""The app: the routers under `/api`, and the webhooks' beside it, over one installation's parts."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import APIRouter, FastAPI
from starlette.routing import BaseRoute

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
    console,
    deployments,
    errors,
    event_streams,
    events,
    flow_run_bulk,
    flow_run_inputs,
    flow_run_states,
    flow_runs,
    flows,
    front_page,
    hooks,
    infrastructure,
    log_download,
    logs,
    openapi,
    task_runs,
    ui,
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
    ui.router,
    api_keys.router,
    upkeep.router,
    infrastructure.router,
    webhooks.router,
    *console.ROUTERS,
)
OUTSIDE: tuple[APIRouter, ...] = (hooks.router,)
"""Not under `/api`: whoever calls them has no key of ours, and is known otherwise."""


def create_app(parts: Parts, *, is_trusted: bool = False, pages: Sequence[BaseRoute] = ()) -> FastAPI:
    """An app that serves this installation. Its database must be up to date.

    `is_trusted`: whoever calls it can open the database anyway, and is asked for no key.
    `pages`: routes of web pages; without any `/` says where they are.
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
    hooks.install(app, parts)
    errors.install(app)
    app.add_middleware(RequestLimits)
    _let_in(app, parts.settings.ui_origins)
    app.state.feeds = Feeds(parts.store)
    for router in OUTSIDE:  # first, since routes are tried one after the other, and deliveries come in storms
        app.include_router(router)
    for router in (*ROUTERS, event_streams.router):
        app.include_router(router, prefix="/api")
    app.router.routes.extend(pages or [front_page.elsewhere(parts.settings)])  # behind all that is more precise
    openapi.install(app, {"/api": ROUTERS, "": OUTSIDE})
    return app


def _let_in(app: FastAPI, origins: Sequence[str]) -> None:
    """Pages of these origins may call the API: with a key in a header, never with a cookie."""
    if origins:
        from starlette.middleware.cors import CORSMiddleware  # by those alone who need it

        app.add_middleware(
            CORSMiddleware,
            allow_origins=origins,
            allow_methods=("GET", "POST", "PUT", "PATCH", "DELETE"),
            allow_headers=("*",),
            expose_headers=("ETag", "Retry-After"),
        )
