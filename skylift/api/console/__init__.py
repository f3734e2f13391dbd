"""The console's endpoints, public as all others: one read for one view of a page, answered with an ETag."""

from __future__ import annotations

from fastapi import APIRouter

from skylift.api.console import deployments, infrastructure, overview, pools, runs, session, stored

ROUTERS: tuple[APIRouter, ...] = (
    overview.router,
    pools.router,
    pools.drafts,
    infrastructure.router,
    runs.router,
    deployments.router,
    stored.router,
    session.router,
)
