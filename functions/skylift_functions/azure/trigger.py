"""The function `trigger`: webhooks' deliveries.

Without the web framework that `api` has: a sender that waits for its answer waits for the cold start, too.
"""

from __future__ import annotations

import json
from urllib.parse import parse_qsl, urlsplit

import azure.functions as func

from skylift import reception
from skylift.webhooks.deliveries import Delivery
from skylift_functions.azure.invocations import invoked


def answer_to(request: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    """The wakeup is sent before the sender is told: the run is durable, and dispatch hears of it."""
    with invoked("trigger", context.invocation_id) as invocation:
        path = reception.PREFIX + request.route_params["id"]
        reply = reception.answer(invocation.here.parts, request.method.upper(), path, lambda: delivery_of(request))
        invocation.metrics.count(Deliveries=reply.status == 202, Refusals=400 <= reply.status < 500)
    headers = {**reply.headers, "Content-Type": "application/json"}
    return func.HttpResponse(json.dumps(reply.body), status_code=reply.status, headers=headers)


def delivery_of(request: func.HttpRequest) -> Delivery:
    """The body byte for byte, for it is signed."""
    headers = {name.lower(): value for name, value in request.headers.items()}
    query = parse_qsl(urlsplit(request.url).query, keep_blank_values=True)
    return Delivery(request.get_body(), headers, dict(query))
