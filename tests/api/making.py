"""Pools, deployments and runs over HTTP, as bodies of clients ask for them; and attempts as a dispatcher makes them."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from fastapi import FastAPI

from skylift.api import create_app
from skylift.dispatch import dispatch
from skylift.store.tables import work_pools
from tests.support.cloud import TEMPLATE, Container
from tests.support.installation import KEY, Installation

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # starlette would rather have another HTTP library
    from fastapi.testclient import TestClient


def ok(answer: Any, status: int = 200) -> Any:
    """The body of an answer that must have this status."""
    assert answer.status_code == status, answer.text
    return answer.json() if answer.content else None


def refused(answer: Any, status: int, *says: str) -> str:
    """The sentence of a refusal, which must say all this."""
    assert answer.status_code == status, answer.text
    detail: str = answer.json()["detail"]
    for word in says:
        assert word in detail
    return detail


@dataclass(frozen=True, slots=True)
class Api:
    """An API over an installation whose clock stands still and whose cloud is in memory."""

    http: TestClient
    place: Installation

    def pool(self, name: str = "pool", **body: Any) -> dict[str, Any]:
        body = {"name": name, "type": "cloud:push", "base_job_template": TEMPLATE} | body
        made: dict[str, Any] = ok(self.http.post("work_pools/", json=body), 201)
        return made

    def queue(self, name: str, pool: str = "pool", **body: Any) -> dict[str, Any]:
        made: dict[str, Any] = ok(self.http.post(f"work_pools/{pool}/queues", json={"name": name} | body), 201)
        return made

    def flow(self, name: str = "flow") -> str:
        answer = self.http.post("flows/", json={"name": name})
        assert answer.status_code in (200, 201)
        flow_id: str = answer.json()["id"]
        return flow_id

    def body(self, name: str = "deployment", **body: Any) -> dict[str, Any]:
        """The body of a deployment."""
        named = {"name": name, "flow_id": self.flow(), "work_pool_name": "pool", "job_variables": {"command": "true"}}
        return named | body

    def deployment(self, name: str = "deployment", *, status: int = 201, **body: Any) -> dict[str, Any]:
        made: dict[str, Any] = ok(self.http.post("deployments/", json=self.body(name, **body)), status)
        return made

    def run(self, deployment_id: str, *, status: int = 201, after: float = 0, **body: Any) -> dict[str, Any]:
        """A run of the deployment that is due `after` seconds from now."""
        state = {"type": "SCHEDULED", "state_details": {"scheduled_time": self.at(after)}}
        path = f"deployments/{deployment_id}/create_flow_run"
        made: dict[str, Any] = ok(self.http.post(path, json={"state": state} | body), status)
        return made

    def at(self, after: float = 0) -> str:
        return (self.place.clock.at + timedelta(seconds=after)).isoformat()

    def read(self, run_id: str) -> dict[str, Any]:
        found: dict[str, Any] = ok(self.http.get(f"flow_runs/{run_id}"))
        return found

    def propose(self, run_id: str, type_: str, *, force: bool = False, headers: Any = None, **state: Any) -> Any:
        """An answer to `set_state`."""
        body = {"state": {"type": type_, **state}, "force": force}
        return self.http.post(f"flow_runs/{run_id}/set_state", json=body, headers=headers)

    def launch(self) -> list[Container]:
        """Dispatch all pools; the containers that run afterwards."""
        for pool in self.place.rows(work_pools):
            dispatch(self.place.parts, pool.id)
        return [*self.place.cloud.alive().values()]


def api_of(url: str, key: str = KEY) -> Iterator[Api]:
    """An API over this database, which seals with this key."""
    place = Installation(url, key=key)
    with client_of(create_app(place.parts)) as http:
        yield Api(http, place)
    place.close()


@contextmanager
def client_of(app: FastAPI) -> Iterator[TestClient]:
    """Paths are relative to `/api/`; faults of the server come back as answers."""
    with TestClient(app, base_url="http://skylift/api/", raise_server_exceptions=False) as http:
        yield http


def attempt_id_of(container: Container) -> UUID:
    return container.launch.attempt_id
