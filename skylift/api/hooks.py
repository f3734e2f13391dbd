"""/hooks: where webhooks' deliveries come in, outside of `/api` and its credentials: each webhook has its own."""

from __future__ import annotations

from typing import Any

from fastapi import Request
from fastapi.concurrency import run_in_threadpool

from skylift import reception
from skylift.api import scopes
from skylift.api.deps import PartsDep
from skylift.api.errors import response
from skylift.api.routing import Router
from skylift.models.webhooks import Receipt
from skylift.webhooks.deliveries import Delivery

router = Router(prefix="/hooks", tags=["Webhooks"])


@router.post("/{webhook_id}", status_code=202, response_model=Receipt, dependencies=[scopes.OPEN])
async def deliver(request: Request, parts: PartsDep, webhook_id: str) -> Any:
    """Make a run of this delivery; the same delivery again gets the same answer."""
    return response(await run_in_threadpool(reception.deliver, parts, webhook_id, await _delivery(request)))


@router.options("/{webhook_id}", dependencies=[scopes.OPEN])
async def consent(request: Request, parts: PartsDep, webhook_id: str) -> Any:
    """Say that events may be sent here: CloudEvents' senders ask before the first one, and Event Grid with the token in
    the address."""
    return response(await run_in_threadpool(reception.consent, parts, webhook_id, await _delivery(request)))


async def _delivery(request: Request) -> Delivery:
    headers = {name.lower(): value for name, value in request.headers.items()}
    return Delivery(await request.body(), headers, dict(request.query_params))
