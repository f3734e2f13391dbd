"""Who may do what: every route is declared, and a run's token opens its own run only."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient
from starlette.routing import WebSocketRoute

from skylift.api import create_app, event_streams, scopes
from skylift.api.app import OUTSIDE, ROUTERS
from skylift.api.scopes import Declared, Scope
from skylift.api.sockets import Greeted
from skylift.ids import RUN_TOKEN_PREFIX, new_id, new_token, token_hash
from skylift.parts import Parts
from skylift.settings import Settings
from skylift.store import Tx
from skylift.store.tables import attempts, ended_attempts

RUN, OTHER = new_id(), new_id()

# What anyone may call, without credentials. A new one must be put here by hand.
OPEN_PATHS = {
    "/health",
    "/ready",
    "/hello",
    "/version",
    "/csrf-token",
    "/skylift/runner/{sha256}.py",
    "/attempts/{attempt_id}/admit",
    "/hooks/{webhook_id}",
    "/skylift/session",
}


@pytest.fixture
def store_url(sqlite_url: str) -> str:
    """One database is enough: the queries are plain."""
    return sqlite_url


def _routes(router: APIRouter) -> Iterator[APIRoute]:
    for route in router.routes:
        assert isinstance(route, APIRoute), f"{route} is of a kind that this test does not know"
        yield route


ROUTES = [route for router in (*ROUTERS, *OUTSIDE) for route in _routes(router)]
PATHS = [route.path for router in OUTSIDE for route in _routes(router)] + [
    f"/api{route.path}" for router in ROUTERS for route in _routes(router)
]


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{min(route.methods)} {route.path}")
def test_every_route_declares_what_runs_may_do(route: APIRoute) -> None:
    scope = scopes.declared(route)
    assert scope, "give the route one of the declarations of skylift.api.scopes"
    assert (scope is Scope.OPEN) == (route.path in OPEN_PATHS)
    for each in route.dependencies:
        if isinstance(each.dependency, Declared) and each.dependency.parameter:
            assert "{" + each.dependency.parameter in route.path


def test_there_are_no_other_routes(app: FastAPI) -> None:
    operations = [(path, method) for path, methods in app.openapi()["paths"].items() for method in methods]
    assert len(operations) == sum(len(route.methods or ()) for route in ROUTES)
    assert [route.path for route in app.routes if isinstance(route, APIRoute)] in (
        [],
        PATHS,
    )


def test_every_websocket_asks_who_is_there(app: FastAPI) -> None:
    served = {route.path: route.endpoint for route in event_streams.router.routes if isinstance(route, WebSocketRoute)}
    assert set(served) == {"/events/in", "/events/out", "/logs/out"}
    assert all(isinstance(endpoint, Greeted) for endpoint in served.values())
    others = {route.path for route in app.routes if isinstance(route, WebSocketRoute)}
    assert others <= {f"/api{path}" for path in served}


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture
def token(parts: Parts) -> str:
    """The token of a live attempt of RUN."""
    return _attempt(parts, RUN)


def _attempt(parts: Parts, run: UUID, attempt_id: UUID | None = None) -> str:
    made = RUN_TOKEN_PREFIX + new_token()

    def insert(tx: Tx) -> None:
        row: dict[str, Any] = {
            "id": attempt_id or new_id(),
            "flow_run_id": run,
            "token_hash": token_hash(made),
            "lease_until": tx.now,
            "claimed_at": tx.now,
            "look_at": tx.now,
            "lease_owner": new_id(),
            "work_pool_id": new_id(),
            "work_queue_id": new_id(),
            "provider_type": "process:push",
            "phase": "running",
            "launch_calls": 1,
            "reports": True,
            "output_offset": 0,
        }
        tx.run(attempts.insert().values(**row))

    parts.store.transaction(insert)
    return made


def _ended(parts: Parts, run: UUID, ago: timedelta, *, by_itself: bool = False) -> str:
    made = RUN_TOKEN_PREFIX + new_token()

    def insert(tx: Tx) -> None:
        row: dict[str, Any] = {
            "id": new_id(),
            "flow_run_id": run,
            "token_hash": token_hash(made),
            "ended_at": tx.now - ago,
            "work_pool_id": new_id(),
            "provider_type": "process:push",
            "output_offset": 0,
            "reports": True,
            "reported_end": by_itself,
        }
        tx.run(ended_attempts.insert().values(**row))

    parts.store.transaction(insert)
    return made


def _line(run: UUID | None) -> dict[str, Any]:
    at = "2026-03-01T00:00:00Z"
    return {"name": "n", "level": 20, "message": "m", "timestamp": at, "flow_run_id": run and str(run)}


def _logs_of(run: UUID) -> dict[str, Any]:
    return {"logs": {"flow_run_id": {"any_": [str(run)]}}}


def test_a_run_reads_what_is_shared_and_its_own_and_nothing_else(client: TestClient, token: str) -> None:
    client.headers = _bearer(token)
    assert client.get("admin/version").status_code == 200
    assert client.post("flows/", json={"name": "sub"}).status_code == 201
    assert client.post("flows/filter", json={}).status_code == 200
    assert client.delete("automations/owned-by/prefect.deployment.x").status_code == 403
    assert client.delete(f"flows/{new_id()}").status_code == 403
    assert client.post("logs/", json=[_line(RUN)]).status_code == 201
    assert client.post("logs/", json=[_line(RUN), _line(OTHER)]).status_code == 403
    assert client.post("logs/", json=[_line(None)]).status_code == 403
    assert client.post("logs/filter", json=_logs_of(RUN)).status_code == 200
    assert client.post("logs/filter", json=_logs_of(OTHER)).status_code == 403
    assert client.post("logs/filter", json={}).status_code == 403
    assert client.post("logs/filter", json={"logs": {"level": {"ge_": 1}}}).status_code == 403


def test_a_token_as_basic_password_is_confined_as_well(client: TestClient, token: str) -> None:
    basic = base64.b64encode(f"user:{token}".encode()).decode()
    headers = {"Authorization": f"Basic {basic}"}
    assert client.delete(f"flows/{new_id()}", headers=headers).status_code == 403
    assert client.get("admin/version", headers=headers).status_code == 200


def test_an_ended_run_hands_in_its_last_logs_only(client: TestClient, parts: Parts) -> None:
    client.headers = _bearer(_ended(parts, RUN, timedelta(minutes=4)))
    assert client.post("logs/", json=[_line(RUN)]).status_code == 201
    assert client.post("logs/", json=[_line(OTHER)]).status_code == 403
    assert client.post("logs/filter", json=_logs_of(RUN)).status_code == 401
    assert client.post("flows/filter", json={}).status_code == 401
    client.headers = _bearer(_ended(parts, RUN, timedelta(minutes=6)))
    assert client.post("logs/", json=[_line(RUN)]).status_code == 401


def test_hooks_of_a_run_that_has_reported_its_end(client: TestClient, parts: Parts) -> None:
    def artifact(run: UUID) -> int:
        answer = client.post("artifacts/", json={"key": "k", "type": "markdown", "flow_run_id": str(run)})
        return int(answer.status_code)

    client.headers = _bearer(_ended(parts, RUN, timedelta(minutes=4), by_itself=True))
    assert client.post("variables/filter", json={}).status_code == 200
    assert (artifact(RUN), artifact(OTHER)) == (201, 403)
    answer = client.post(f"flow_runs/{RUN}/set_state", json={"state": {"type": "COMPLETED"}})
    assert answer.status_code == 401, "it has said how it ended"
    client.headers = _bearer(_ended(parts, RUN, timedelta(minutes=6), by_itself=True))
    assert artifact(RUN) == 401
    client.headers = _bearer(_ended(parts, RUN, timedelta(minutes=4)))
    assert artifact(RUN) == 401


def test_an_unknown_run_token_opens_nothing(client: TestClient) -> None:
    answer = client.get("admin/version", headers=_bearer(RUN_TOKEN_PREFIX + new_token()))
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert client.get("health", headers=_bearer(RUN_TOKEN_PREFIX + "x")).status_code == 200


def test_own_routes_by_path(parts: Parts) -> None:
    attempt = new_id()
    client_headers = _bearer(_attempt(parts, RUN, attempt))
    app = create_app(parts)

    @app.get("/api/test/{run}", dependencies=[scopes.own("run")])
    def by_run(run: str) -> str:
        return run

    @app.get("/api/test-attempt/{this}", dependencies=[scopes.own("this", of="attempt_id")])
    def by_attempt(this: str) -> str:
        return this

    with TestClient(app, base_url="http://skylift/api/") as client:
        own = {f"test/{RUN}": 200, f"test/{str(RUN).upper()}": 200, f"test/{RUN.hex}": 200}
        others = {f"test/{OTHER}": 403, "test/none": 403, f"test/{attempt}": 403, f"test-attempt/{RUN}": 403}
        for path, status in (own | others | {f"test-attempt/{attempt}": 200}).items():
            assert client.get(path, headers=client_headers).status_code == status, path
            assert client.get(path).status_code == 200, "people may all"


class TestWithAnApiKey:
    @pytest.fixture
    def settings(self, tmp_path: Path) -> Settings:
        return Settings(home=tmp_path, api_key="hunter2-with-é-in-it")

    def test_people_show_it(self, client: TestClient) -> None:
        assert client.get("health").status_code == 200
        assert client.post("flows/filter").status_code == 401
        for wrong in (
            "Bearer x",
            "Bearer",
            "Basic !!",
            "Basic eA==",
            "hunter2-with-é-in-it",
            "Digest hunter2-with-é-in-it",
        ):
            headers = {"Authorization": wrong.encode()}
            assert client.post("flows/filter", headers=headers).status_code == 401, wrong
        for text in ("user:hunter2-with-é-in-it", ":hunter2-with-é-in-it", "hunter2-with-é-in-it"):
            basic = base64.b64encode(text.encode()).decode()
            assert client.post("flows/filter", headers={"Authorization": f"Basic {basic}"}).status_code == 200

    def test_runs_still_show_their_tokens(self, client: TestClient, token: str) -> None:
        assert client.post("flows/filter", headers=_bearer(token)).status_code == 200
        assert client.delete(f"flows/{new_id()}", headers=_bearer(token)).status_code == 403

    def test_the_key_is_not_shown(self, settings: Settings) -> None:
        assert "hunter2-with-é-in-it" not in repr(settings)


def test_a_run_starts_nothing_of_its_own_in_a_work_pool(client: TestClient, token: str) -> None:
    """It would choose the command and the pool: that is for people."""
    body = {"flow_id": str(new_id()), "work_pool_name": "privileged", "job_variables": {"command": "id"}}
    answer = client.post("/flow_runs/", json=body, headers=_bearer(token))
    assert answer.status_code == 403
