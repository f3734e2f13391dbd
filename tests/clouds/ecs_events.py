"""EventBridge's words for what happens to ECS's tasks."""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Mapping
from typing import Any

from tests.clouds.aws_backends import ACCOUNT, REGION


def event_of(about: Mapping[str, Any]) -> dict[str, Any]:
    """EventBridge's "ECS Task State Change": tags are not in there, times are text."""
    times = {key: _text(value) for key, value in about.items() if key.endswith("At")}
    containers = [dict(each) for each in about["containers"]]
    detail = {**{key: value for key, value in about.items() if key != "tags"}, **times, "containers": containers}
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": "ECS Task State Change",
        "source": "aws.ecs",
        "account": ACCOUNT,
        "time": _text(time.time()),
        "region": REGION,
        "resources": [about["taskArn"]],
        "detail": {**detail, "updatedAt": _text(time.time())},
    }


def _text(at: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at)) + f".{int(at % 1 * 1000):03d}Z"


def disordered(events: list[dict[str, Any]], seed: int) -> list[dict[str, Any]]:
    """The same, some of them twice, in any order: so EventBridge may deliver them."""
    chance = random.Random(seed)
    twice = [each for each in events if chance.random() < 0.4]
    mixed = [*events, *twice]
    chance.shuffle(mixed)
    return mixed
