"""The function `trigger`: webhooks' deliveries, by an HTTP API of API Gateway or a function URL.

Without the web framework that `api` has: a sender that waits for its answer waits for the cold start, too.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote

from aws_lambda_powertools.logging import correlation_paths

from skylift import reception
from skylift.replies import Reply
from skylift.webhooks.deliveries import Delivery
from skylift_functions.aws.deadline import Context
from skylift_functions.aws.installation import installation
from skylift_functions.aws.telemetry import count, make_logger, make_metrics, publish
from skylift_functions.aws.tracing import traced

logger, metrics = make_logger("trigger"), make_metrics()


@logger.inject_lambda_context(correlation_id_path=correlation_paths.API_GATEWAY_HTTP)
def handler(event: dict[str, Any], context: Context) -> dict[str, Any]:
    here, asked = installation(), event["requestContext"]["http"]
    try:
        with traced("deliver") as about:
            reply = reception.answer(here.parts, asked["method"], unquote(asked["path"]), lambda: delivery_of(event))
            about |= {"webhook": _last(event), "status": reply.status}
            if run := reply.body.get("flow_run_id"):
                about["flow_run"] = run
        count(metrics, Deliveries=reply.status == 202, Refusals=400 <= reply.status < 500)
        return _told(reply)
    finally:
        here.wakeups.flush()  # the run is durable, and dispatch hears of it before the sender does
        publish(metrics)


def _last(event: Mapping[str, Any]) -> str:
    return str(event["requestContext"]["http"]["path"]).rpartition("/")[2]


def delivery_of(event: Mapping[str, Any]) -> Delivery:
    """From payload format 2.0; the body byte for byte, for it is signed."""
    text = event.get("body") or ""
    body = base64.b64decode(text) if event.get("isBase64Encoded") else text.encode()
    headers = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
    return Delivery(body, headers, dict(parse_qsl(event.get("rawQueryString") or "", keep_blank_values=True)))


def _told(reply: Reply) -> dict[str, Any]:
    headers = {"content-type": "application/json", **reply.headers}
    return {"statusCode": reply.status, "headers": headers, "body": json.dumps(reply.body)}
