"""The function `api`: the HTTP API, webhooks included, as the functions framework's ASGI server has it.

The framework hands a request to a function and sends what that returns as a response: an ASGI application is one, for
it answers by the same three words.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from functools import cache
from threading import Lock
from typing import Any

from skylift.api.app import create_app
from skylift_functions.gcp.installation import installation
from skylift_functions.gcp.telemetry import correlate, make_logger
from skylift_functions.installation import SentWakeups
from skylift_functions.open_doors import check_keys

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
Receive = Callable[[], Awaitable[Message]]
Application = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

REMEDY = "set SKYLIFT_API_KEY_FROM to the name of a secret's version that holds one"
logger = make_logger("api")
_opening = Lock()


async def handler(request: Any) -> Application:
    correlate("api", request.headers)
    return await asyncio.to_thread(_served)


def _served() -> Application:
    with _opening:
        return _opened()


@cache
def _opened() -> Application:
    here = installation("api")
    here.parts.store.ensure_current()
    check_keys(here.parts, REMEDY)
    return flushing(create_app(here.parts), here.wakeups)


def flushing(app: Application, wakeups: SentWakeups) -> Application:
    """The application, whose answers are complete when its wakeups are sent: after that its threads stand still."""

    async def serve(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        async def send_when_sent(message: Message) -> None:
            if message["type"] == "http.response.body" and not message.get("more_body"):
                await asyncio.to_thread(wakeups.flush)
            await send(message)

        await app(scope, receive, send_when_sent)

    return serve
