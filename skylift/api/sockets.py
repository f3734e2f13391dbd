"""Websockets: who is there, and when they have gone.

Clients that ask for the subprotocol `prefect` say who they are in their first frame, the others in a header only.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from anyio import CancelScope, create_task_group, fail_after, to_thread
from fastapi import WebSocket
from starlette.websockets import WebSocketDisconnect, WebSocketState

from skylift.api import strangers
from skylift.api.callers import Caller, identify, secret_of
from skylift.errors import ForbiddenError, InvalidError, UnauthorizedError
from skylift.ids import RUN_TOKEN_PREFIX
from skylift.models.api_keys import Role
from skylift.parts import Parts

logger = logging.getLogger(__name__)

SUBPROTOCOL = "prefect"
GREETING = 15.0
"""Seconds in which the first frames must have come."""
PROTOCOL_ERROR, REFUSED, FAULT, TRY_LATER = 1002, 1008, 1011, 1013
MAX_REASON = 120
"""Bytes that have room in a close frame."""


@dataclass(slots=True)
class Connection:
    """An open websocket whose other side is known."""

    socket: WebSocket
    caller: Caller
    parts: Parts

    async def first_frame(self, type_: str) -> dict[str, Any]:
        """The frame that must come next. Raises `InvalidError`."""
        return await _frame(self.socket, type_)

    async def close(self, code: int, reason: str = "") -> None:
        await _close(self.socket, code, reason)


@dataclass(frozen=True, slots=True)
class Greeted:
    """A websocket route: it lets in who may come in, and hands over to `serve`. Its end is the connection's end."""

    serve: Callable[[Connection], Awaitable[None]]
    after_end: bool = False
    """Whether the token of a run that has ended a moment ago is good for it."""
    role: Role = Role.VIEWER
    """What a person's key must have."""

    async def __call__(self, websocket: WebSocket) -> None:
        try:
            caller = await self._greet(websocket)
            if caller:
                connection = Connection(websocket, caller, websocket.app.state.parts)
                await self.serve(connection)
                await connection.close(1000)
        except WebSocketDisconnect:
            return
        except InvalidError as error:
            await _close(websocket, PROTOCOL_ERROR, str(error))
        except Exception as error:
            logger.exception("%s failed: %s", websocket.url.path, type(error).__name__)
            await _close(websocket, FAULT, "Skylift failed; its log says why")

    async def _greet(self, websocket: WebSocket) -> Caller | None:
        secret = secret_of(websocket.headers.get("authorization", ""))
        offered = websocket.headers.get("sec-websocket-protocol", "")
        greets = SUBPROTOCOL in [each.strip() for each in offered.split(",")]
        if greets:
            await websocket.accept(subprotocol=SUBPROTOCOL)
            token = (await _frame(websocket, "auth")).get("token")
            secrets = _secrets(token) if isinstance(token, str) and token else [secret]
        else:
            secrets = [secret]
        try:
            caller = await to_thread.run_sync(_identify, websocket.app.state.parts, secrets)
            caller.must_be(self.role)
            if caller.is_anybody:
                strangers.refuse(websocket.headers, websocket.app.state.parts.settings.api_url)
            if caller.has_ended and not self.after_end:
                raise UnauthorizedError("This run has ended")
        except (UnauthorizedError, ForbiddenError) as error:
            if greets:
                await websocket.send_json({"type": "auth_failure", "reason": str(error)})
            await _close(websocket, REFUSED, str(error))
            return None
        if greets:
            await websocket.send_json({"type": "auth_success"})
        else:
            await websocket.accept()
        return caller


def _secrets(token: str) -> list[str]:
    """What a token may be: a secret, or `name:secret`, which is how the client's auth string is sent."""
    _, colon, tail = token.partition(":")
    if not colon:
        return [token]
    return [tail] if tail.startswith(RUN_TOKEN_PREFIX) else [tail, token]


def _identify(parts: Parts, secrets: list[str]) -> Caller:
    *others, last = secrets
    for secret in others:
        try:
            return identify(parts, secret)
        except UnauthorizedError:
            continue
    return identify(parts, last)


async def _frame(websocket: WebSocket, type_: str) -> dict[str, Any]:
    try:
        with fail_after(GREETING):
            frame = json.loads(await websocket.receive_text())
    except TimeoutError:
        raise InvalidError(f"No '{type_}' frame came in time") from None
    except (ValueError, KeyError, RecursionError):
        raise InvalidError(f"Expected a '{type_}' frame in JSON") from None
    if not isinstance(frame, dict) or frame.get("type") != type_:
        raise InvalidError(f"Expected a '{type_}' frame")
    return frame


async def _close(websocket: WebSocket, code: int, reason: str) -> None:
    """Close it, unless either side has done so."""
    states = (websocket.client_state, websocket.application_state)
    if WebSocketState.DISCONNECTED not in states:
        try:
            await websocket.close(code, reason.encode()[:MAX_REASON].decode(errors="ignore"))
        except (RuntimeError, WebSocketDisconnect):  # the other side was faster
            return


async def while_open(connection: Connection, work: Callable[[], Awaitable[None]]) -> None:
    """Do this until it is done or the other side has gone. What that says meanwhile is not listened to."""

    async def listen(scope: CancelScope) -> None:
        try:
            while True:
                await connection.socket.receive_text()
        except (WebSocketDisconnect, RuntimeError, KeyError):
            scope.cancel()

    try:
        async with create_task_group() as group:
            group.start_soon(listen, group.cancel_scope)
            await work()
            group.cancel_scope.cancel()
    except* WebSocketDisconnect:
        pass
