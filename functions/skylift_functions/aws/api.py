"""The function `api`: the HTTP API behind an HTTP API of API Gateway, or behind a function URL."""

from __future__ import annotations

from functools import cache
from typing import Any

from aws_lambda_powertools.logging import correlation_paths
from mangum import Mangum

from skylift.api.app import create_app
from skylift_functions.aws.deadline import Context
from skylift_functions.aws.installation import installation
from skylift_functions.aws.telemetry import make_logger
from skylift_functions.open_doors import check_keys

logger = make_logger("api")


@logger.inject_lambda_context(correlation_id_path=correlation_paths.API_GATEWAY_HTTP)
def handler(event: dict[str, Any], context: Context) -> dict[str, Any]:
    here = installation()
    try:
        return dict(_served()(event, context))  # type: ignore[arg-type]
    finally:
        here.wakeups.flush()


@cache
def _served() -> Mangum:
    parts = installation().parts
    parts.store.ensure_current()
    check_keys(parts, "set SKYLIFT_API_KEY_FROM to the ARN of a secret that holds one")
    return Mangum(create_app(parts), lifespan="off")
