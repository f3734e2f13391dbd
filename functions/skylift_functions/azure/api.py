"""The function `api`: the HTTP API."""

from __future__ import annotations

import asyncio
from threading import Lock

import azure.functions as func

from skylift.api.app import create_app
from skylift_functions.azure.installation import installation
from skylift_functions.azure.telemetry import telling
from skylift_functions.open_doors import check_keys

_starting = Lock()
_started: list[func.AsgiMiddleware] = []


async def answer_to(request: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    with telling(function="api", correlation_id=context.invocation_id):
        served = await asyncio.to_thread(_served)
        try:
            answer: func.HttpResponse = await served.handle_async(request, context)
            return answer
        finally:
            await asyncio.to_thread(installation().wakeups.flush)


def _served() -> func.AsgiMiddleware:
    with _starting:
        if not _started:
            parts = installation().parts
            parts.store.ensure_current()
            check_keys(parts, "set SKYLIFT_API_KEY_FROM to the address of a secret that holds one")
            _started.append(func.AsgiMiddleware(create_app(parts)))  # type: ignore[no-untyped-call]
        return _started[0]
