"""/hooks: where webhooks' deliveries come in, outside of `/api` and its credentials: each webhook has its own.

They come in storms. What comes in while others are being written waits for them, and is then written in one transaction
with all that came meanwhile; each is answered once that is committed.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Any
from urllib.parse import parse_qsl

from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool

from skylift import reception
from skylift.api import scopes
from skylift.api.errors import response
from skylift.api.gathering import Gathering
from skylift.api.routing import Route, Router
from skylift.models.webhooks import Receipt
from skylift.parts import Parts
from skylift.replies import Reply
from skylift.webhooks.deliveries import Delivery

LANES, MOST = 2, 64
"""Transactions at the same time (while one waits for the disk, the next is made ready), and deliveries in each."""
Posted = tuple[str, Delivery]


class _Bare(Route):
    """Hands the request to its endpoint as it is: what a framework does for parameters, dependencies and models takes
    longer than a delivery itself. What it declares is for the documentation, and for the test of scopes."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        endpoint: Callable[[Request, str], Coroutine[Any, Any, Response]] = self.endpoint

        async def handle(request: Request) -> Response:
            return await endpoint(request, request.path_params["webhook_id"])

        return handle


router = Router(prefix="/hooks", tags=["Webhooks"], route_class=_Bare)


def install(app: FastAPI, parts: Parts) -> None:
    """What the routes need of the app."""

    def deliver_all(posted: Sequence[Posted]) -> list[Reply | Exception]:
        return reception.deliver_all(parts, posted)

    app.state.deliveries = Gathering(deliver_all, lanes=LANES, most=MOST)


@router.post("/{webhook_id}", status_code=202, response_model=Receipt, dependencies=[scopes.OPEN])
async def deliver(request: Request, webhook_id: str) -> Response:
    """Make a run of this delivery; the same delivery again gets the same answer."""
    deliveries: Gathering[Posted, Reply | Exception] = request.app.state.deliveries
    answer = await deliveries((webhook_id, await _delivery(request)))
    if isinstance(answer, Exception):
        raise answer
    return response(answer)


@router.options("/{webhook_id}", dependencies=[scopes.OPEN])
async def consent(request: Request, webhook_id: str) -> Response:
    """Say that events may be sent here: CloudEvents' senders ask before the first one, and Event Grid with the token in
    the address."""
    parts = request.app.state.parts
    return response(await run_in_threadpool(reception.consent, parts, webhook_id, await _delivery(request)))


async def _delivery(request: Request) -> Delivery:
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in request.scope["headers"]}
    query = request.scope["query_string"].decode("latin-1")
    return Delivery(await _body(request), headers, dict(parse_qsl(query, keep_blank_values=True)) if query else {})


async def _body(request: Request) -> bytes:
    """Without the request's own way, which makes a generator for what is nearly always one part."""
    parts: list[bytes] = []
    while True:
        message = await request.receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)
