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
from sqlalchemy.exc import ProgrammingError

from skylift import reception, replies
from skylift.errors import NotFoundError
from skylift.parts import Parts
from skylift.replies import Reply
from skylift.webhooks.deliveries import Delivery
from skylift_functions.aws.deadline import Context
from skylift_functions.aws.installation import installation
from skylift_functions.aws.telemetry import count, make_logger, make_metrics, publish
from skylift_functions.aws.tracing import traced

VERBS = {"POST": reception.deliver, "OPTIONS": reception.consent}

logger, metrics = make_logger("trigger"), make_metrics()


@logger.inject_lambda_context(correlation_id_path=correlation_paths.API_GATEWAY_HTTP)
def handler(event: dict[str, Any], context: Context) -> dict[str, Any]:
    here = installation()
    try:
        with traced("deliver") as about:
            reply = answer(here.parts, event)
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


def answer(parts: Parts, event: Mapping[str, Any]) -> Reply:
    """What its sender is told; never raises."""
    about = event["requestContext"]["http"]
    path: str = unquote(about["path"])
    verb = VERBS.get(about["method"])
    try:
        if not path.startswith(reception.PREFIX):
            raise NotFoundError("There is nothing here but webhooks: their addresses are /hooks/ and an id")
        if not verb:
            return Reply(405, {"detail": "Deliveries are posted"}, {"Allow": "POST, OPTIONS"})
        webhook_id, delivery = path.removeprefix(reception.PREFIX), delivery_of(event)
        try:
            return verb(parts, webhook_id, delivery)
        except ProgrammingError:  # the tables may be those of an older version, whose last tick is yet to come
            parts.store.ensure_current()
            return verb(parts, webhook_id, delivery)
    except Exception as error:
        return replies.of_error(error, f"{about['method']} {path}")


def delivery_of(event: Mapping[str, Any]) -> Delivery:
    """From payload format 2.0; the body byte for byte, for it is signed."""
    text = event.get("body") or ""
    body = base64.b64decode(text) if event.get("isBase64Encoded") else text.encode()
    headers = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
    return Delivery(body, headers, dict(parse_qsl(event.get("rawQueryString") or "", keep_blank_values=True)))


def _told(reply: Reply) -> dict[str, Any]:
    headers = {"content-type": "application/json", **reply.headers}
    return {"statusCode": reply.status, "headers": headers, "body": json.dumps(reply.body)}
