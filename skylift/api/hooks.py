"""/hooks: where webhooks' deliveries come in, outside of `/api` and its credentials: each webhook has its own."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse

from skylift import trigger
from skylift.api import scopes
from skylift.api.deps import PartsDep
from skylift.errors import NotFoundError
from skylift.models.webhooks import Receipt
from skylift.webhooks.deliveries import MAX_BODY, Delivery
from skylift.webhooks.errors import TooLargeError

router = APIRouter(prefix="/hooks", tags=["Webhooks"])
ORIGIN = "webhook-request-origin"


@router.post("/{webhook_id}", status_code=202, response_model=Receipt, dependencies=[scopes.OPEN])
async def deliver(request: Request, parts: PartsDep, webhook_id: str) -> Any:
    """Make a run of this delivery; the same delivery again gets the same answer."""
    delivery = await _delivery(request)
    if delivery.header("x-github-event") == "ping":
        await run_in_threadpool(trigger.verify, parts, _known(webhook_id), delivery)
        return JSONResponse({"detail": "The webhook is there, and the signature is right"})
    receipt = await run_in_threadpool(trigger.trigger, parts, _known(webhook_id), delivery)
    if isinstance(receipt, trigger.Handshake):
        return JSONResponse({"validationResponse": receipt})
    return receipt


@router.options("/{webhook_id}", dependencies=[scopes.OPEN])
async def consent(request: Request, parts: PartsDep, webhook_id: str) -> JSONResponse:
    """Say that events may be sent here: CloudEvents' senders ask before the first one, and Event Grid with the token in
    the address."""
    await run_in_threadpool(trigger.verify, parts, _known(webhook_id), await _delivery(request))
    headers = {"Allow": "POST"}
    if origin := request.headers.get(ORIGIN):
        headers |= {"WebHook-Allowed-Origin": origin, "WebHook-Allowed-Rate": "*"}
    return JSONResponse({}, headers=headers)


async def _delivery(request: Request) -> Delivery:
    body = await request.body()
    if len(body) > MAX_BODY:
        raise TooLargeError(f"The body has {len(body)} bytes, and webhooks take {MAX_BODY} at most")
    return Delivery(body, _lowered(request.headers.items()), dict(request.query_params))


def _lowered(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers}


def _known(webhook_id: str) -> UUID:
    try:
        return UUID(webhook_id)
    except ValueError:
        raise NotFoundError("There is no webhook here: its address is /hooks/ and its id") from None
