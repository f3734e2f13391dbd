"""What Amazon's agent does on a container instance and ministack leaves out: a container gets the memory that its task
definition gives it, and is killed when it wants more.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from tests.clouds.engine_proxy import EngineProxy
from tests.clouds.http_cloud import Request

LABEL = "com.amazonaws.ecs.task-definition-"
CALLS: Mapping[str, tuple[str, str]] = {
    "ContainerCreate": ("POST", "/containers/create"),
    **{method: (method, "/{anything}") for method in ("GET", "POST", "DELETE", "HEAD")},
}


class EcsAgent(EngineProxy):
    """Between ministack and a real engine."""

    def __init__(self, engine: str, definition: Callable[[str], Mapping[str, Any]]) -> None:
        """`definition`: a task definition by `family:revision`."""
        super().__init__(engine, CALLS)
        self.definition = definition

    def changed(self, name: str, request: Request) -> Request:
        body = request.json() if name == "ContainerCreate" else {}
        labels = body.get("Labels") or {}
        if f"{LABEL}family" not in labels:
            return request
        task = self.definition(f"{labels[f'{LABEL}family']}:{labels[f'{LABEL}version']}")
        containers = {each["name"]: each for each in task["containerDefinitions"]}
        mine = containers[labels["com.amazonaws.ecs.container-name"]]
        limit = int(mine.get("memory") or task["memory"]) * 2**20
        body["HostConfig"] |= {"Memory": limit, "MemorySwap": limit}
        return replace(request, body=json.dumps(body).encode())
