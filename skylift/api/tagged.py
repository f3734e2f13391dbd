"""Routes whose answers are not sent again to whoever has them already."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from fastapi import Request, Response

from skylift.api.routing import Route, Router

UNCHANGED: dict[int | str, dict[str, Any]] = {304: {"description": "As `If-None-Match` has it already"}}
HEADERS = {"Cache-Control": "private, no-cache"}
"""Browsers may keep an answer, and ask each time whether it still holds."""


class TaggedRoute(Route):
    """A GET answers with an ETag, and with 304 where `If-None-Match` names it. The tag is weak: by the body, so nothing
    that only counts on with the clock belongs into one."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        if "GET" in options["methods"]:
            options["responses"] = {**UNCHANGED, **(options.get("responses") or {})}
        super().__init__(path, endpoint, **options)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def tagged(request: Request) -> Response:
            response = await handle(request)
            return _tagged(request, response) if request.method == "GET" and response.status_code == 200 else response

        return tagged


class TaggedRouter(Router):
    """As `skylift.api.routing.Router`, of such routes."""

    def __init__(self, **options: Any) -> None:
        super().__init__(route_class=TaggedRoute, **options)


def known_tags(headers: Mapping[str, str]) -> set[str]:
    """Of the answers that the caller has already: what `If-None-Match` names."""
    return {each.strip() for each in headers.get("If-None-Match", "").split(",")}


def _tagged(request: Request, response: Response) -> Response:
    tag = f'W/"{hashlib.blake2b(response.body, digest_size=12).hexdigest()}"'
    if known_tags(request.headers) & {tag, "*"}:
        return Response(status_code=304, headers={"ETag": tag, **HEADERS})
    response.headers.update({"ETag": tag, **HEADERS})
    return response
