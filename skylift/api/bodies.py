"""What a request may hold, checked before any route sees it: a body of bounded size, and JSON that can be kept and told
again. What fits a route's models is checked there.
"""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from skylift.api.errors import answer
from skylift.json_text import fault_of

MAX_BODY = 16 * 2**20
"""Bytes. The largest that clients send are batches of logs and events, of a few MB."""


class RequestLimits:
    """ASGI middleware: 413 for a body that is too large, 422 for text or JSON that no database or client takes."""

    def __init__(self, app: ASGIApp, max_body: int = MAX_BODY) -> None:
        self.app = app
        self.max_body = max_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if "\0" in scope["path"] or b"%00" in scope["query_string"]:
            await answer("A path or query may not hold NUL characters", 422)(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if headers.get("content-length", "0") == "0" and "transfer-encoding" not in headers:
            await self.app(scope, receive, send)
            return
        try:
            body = await self._read(receive)
        except ClientDisconnect:
            return  # half a body is no request, and nobody waits for an answer
        if body is None:
            refusal = answer(f"The body is larger than {self.max_body} bytes: send less at once", 413)
            refusal.headers["Connection"] = "close"
            await refusal(scope, receive, send)
        elif (fault := fault_of(body)) is not None:
            await answer(fault, 422)(scope, receive, send)
        else:
            await self.app(scope, _replay(body, receive), send)

    async def _read(self, receive: Receive) -> bytes | None:
        """The body; None where it is too large. A client hears an answer only once it was listened to, so what is too
        much is read, too, up to a point."""
        parts: list[bytes] = []
        size = 0
        while size <= 4 * self.max_body:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            part = message.get("body", b"")
            size += len(part)
            if size <= self.max_body:
                parts.append(part)
            else:
                parts.clear()
            if not message.get("more_body", False):
                break
        return b"".join(parts) if size <= self.max_body else None


def _replay(body: bytes, receive: Receive) -> Receive:
    was_read = False

    async def again() -> Message:
        nonlocal was_read
        if was_read:
            return await receive()
        was_read = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again
