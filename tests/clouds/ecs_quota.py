"""ECS's documented rates, as token buckets: ECS API reference, "Request throttling", and the developer guide's
"AWS Fargate throttling quotas"."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Any

from tests.clouds.ecs_rules import is_fargate, providers_of

BUCKETS = {
    "cluster": (100, 40.0),
    "definitions": (20, 1.0),
    "reading": (100, 20.0),
    "definitions read": (50, 20.0),
    "tags": (20, 10.0),
    "fargate calls": (20, 20.0),
    "fargate launches": (100, 20.0),
    "spot launches": (100, 20.0),
}
"""Burst, and how many a second."""
OF_OPERATION = {
    "RunTask": "cluster",
    "StopTask": "cluster",
    "RegisterTaskDefinition": "definitions",
    "DeregisterTaskDefinition": "definitions",
    "DescribeTasks": "reading",
    "ListTasks": "reading",
    "DescribeTaskDefinition": "definitions read",
    "ListTaskDefinitions": "definitions read",
    "ListTaskDefinitionFamilies": "definitions read",
    "TagResource": "tags",
}


class Quotas:
    """The account's buckets in one region."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        now = time.monotonic()
        self._full: dict[str, tuple[float, float]] = {name: (burst, now) for name, (burst, _) in BUCKETS.items()}

    def allows(self, operation: str, request: Mapping[str, Any]) -> bool:
        """Takes what the call needs of every bucket, or nothing of any."""
        wanted = {OF_OPERATION[operation]: 1} if operation in OF_OPERATION else {}
        if operation == "RunTask" and is_fargate(request):
            kind = "spot" if "FARGATE_SPOT" in providers_of(request) else "fargate"
            wanted |= {"fargate calls": 1, f"{kind} launches": request.get("count", 1)}
        now = time.monotonic()
        with self._lock:
            there = {name: self._filled(name, now) for name in wanted}
            if any(there[name] < wanted[name] for name in wanted):
                return False
            self._full |= {name: (there[name] - wanted[name], now) for name in wanted}
        return True

    def _filled(self, name: str, now: float) -> float:
        tokens, at = self._full[name]
        burst, rate = BUCKETS[name]
        return min(burst, tokens + (now - at) * rate)
