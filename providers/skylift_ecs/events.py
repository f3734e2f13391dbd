"""Pure: EventBridge's "ECS Task State Change". Tags are not in there, so an attempt is known by `startedBy`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from skylift.provider import Heard
from skylift_ecs.observe import observe
from skylift_ecs.request import attempt_of

DETAIL_TYPE = "ECS Task State Change"


def read(event: Mapping[str, Any]) -> list[Heard]:
    """What it says; empty where it is about something else."""
    detail = event.get("detail")
    if event.get("source") != "aws.ecs" or event.get("detail-type") != DETAIL_TYPE or not isinstance(detail, Mapping):
        return []
    attempt = attempt_of(detail)
    if attempt is None or not isinstance(detail.get("taskArn"), str):
        return []
    try:
        return [Heard(attempt, observe(detail))]
    except (AttributeError, KeyError, TypeError, ValueError):
        return []  # not as it is documented: observe will ask
