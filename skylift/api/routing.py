"""Routers whose endpoints wait for one thread, not for two."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any

from fastapi import APIRouter
from fastapi.concurrency import run_in_threadpool
from fastapi.routing import APIRoute


class Route(APIRoute):
    """FastAPI sends an endpoint that is no coroutine to a thread, and then its answer to another one to be checked. A
    coroutine's answer is checked where it is: our answers are models already, so that takes no time."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        super().__init__(path, endpoint if iscoroutinefunction(endpoint) else _in_thread(endpoint), **options)


class Router(APIRouter):
    """As FastAPI's, of such routes."""

    def __init__(self, *, route_class: type[Route] = Route, **options: Any) -> None:
        super().__init__(route_class=route_class, **options)


def _in_thread(endpoint: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(endpoint)
    async def wait(**given: Any) -> Any:
        return await run_in_threadpool(endpoint, **given)

    return wait
