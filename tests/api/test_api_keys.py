"""API keys and their roles, on every route."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from fastapi import APIRouter
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient

from skylift.api import callers, scopes
from skylift.api.app import ROUTERS
from skylift.clock import ManualClock
from skylift.ids import new_id
from skylift.models.api_keys import ApiKeyCreate, Role
from skylift.parts import Parts
from skylift.store import api_keys


@pytest.fixture
def store_url(sqlite_url: str) -> str:
    """One database is enough: the queries are plain."""
    return sqlite_url


def _routes(router: APIRouter) -> Iterator[APIRoute]:
    yield from (route for route in router.routes if isinstance(route, APIRoute))


GUARDED = [
    (method, route.path)
    for router in ROUTERS
    for route in _routes(router)
    if scopes.declared(route) is not scopes.Scope.OPEN
    for method in route.methods or ()
]
DEPLOYER_WRITES = (
    "/skylift/.*/(preview|check|seen)$",
    "/flows",
    "/deployments",
    "/flow_runs",
    "/task_runs",
    "/logs",
    "/events",
    "/artifacts",
    "/variables",
    "/automations/owned-by",
    "/attempts",
    "/v2/concurrency_limits/(increment|decrement|leases)",
    "/concurrency_limits/(increment|decrement)",
    "/work_pools/{name}/workers/heartbeat",
    "/skylift/webhooks/",
)
"""What a deployer changes; of all else an admin."""
READS = re.compile(
    r".*/(filter|filter/next|count|count-by/\{countable\}|paginate|history|lateness|get_runs|get_scheduled_flow_runs"
    r"|concurrency_status|work_queue_check|count-task-runs|count-deployments|next-runs|validate)"
)


ASKS_ELSEWHERE = ("/work_pools/{name}/check",)
"""Reads that use a pool's credentials."""


def expected(method: str, path: str) -> Role:
    if path in ASKS_ELSEWHERE:
        return Role.DEPLOYER
    if method == "GET" or READS.fullmatch(path):
        return Role.VIEWER
    return Role.DEPLOYER if any(re.match(each, path) for each in DEPLOYER_WRITES) else Role.ADMIN


@pytest.fixture
def keys(parts: Parts) -> dict[Role, str]:
    return {
        role: parts.store.transaction(api_keys.create, ApiKeyCreate(name=str(role), role=role)).key for role in Role
    }


def asked(client: TestClient, method: str, path: str, key: str | None) -> int:
    filled = re.sub(r"\{[^}]*\}", str(new_id()), path).removeprefix("/")
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    answer: httpx.Response = client.request(method, filled, json={}, headers=headers)
    return answer.status_code


def test_each_role_may_what_it_may_on_every_route(client: TestClient, keys: dict[Role, str]) -> None:
    wrong = []
    for method, path in GUARDED:
        needed = expected(method, path)
        for role, key in keys.items():
            allowed = callers.ROLES.index(role) <= callers.ROLES.index(needed)
            status = asked(client, method, path, key)
            if (status == 403) == allowed or status in (401, 500):
                wrong.append((method, path, role, status))
    assert wrong == []


def test_without_a_key_nothing_but_health(client: TestClient, keys: dict[Role, str]) -> None:
    for key in (None, "x", "slkey_x", keys[Role.ADMIN] + "x"):
        assert {asked(client, method, path, key) for method, path in GUARDED} == {401}
    assert client.get("health").status_code == 200


def test_while_there_is_no_key_everybody_is_an_admin(client: TestClient) -> None:
    answer = client.post("api_keys/", json={"name": "first", "role": "viewer"})
    assert answer.status_code == 201
    assert client.get("api_keys/").status_code == 401
    assert client.get("flows/x", headers={"Authorization": f"Bearer {answer.json()['key']}"}).status_code == 404


def test_a_key_is_shown_once(client: TestClient, keys: dict[Role, str]) -> None:
    client.headers = {"Authorization": f"Bearer {keys[Role.ADMIN]}"}
    listed = client.get("api_keys/").json()
    assert [each["name"] for each in listed] == ["admin", "deployer", "viewer"]
    for each in listed:
        assert keys[each["role"]].startswith(each["beginning"])
        assert len(each["beginning"]) < 12
        assert set(each) == {"id", "created", "updated", "name", "role", "beginning", "expires"}
    assert client.post("api_keys/", json={"name": "admin", "role": "admin"}).status_code == 409
    assert client.post("api_keys/", json={"name": "x", "role": "owner"}).status_code == 422
    assert client.post("api_keys/", json={"name": "x", "role": "admin", "expires": "2001-01-01"}).status_code == 422


def test_a_revoked_key_opens_nothing(client: TestClient, keys: dict[Role, str]) -> None:
    admin = {"Authorization": f"Bearer {keys[Role.ADMIN]}"}
    viewer = {"Authorization": f"Bearer {keys[Role.VIEWER]}"}
    assert client.post("flows/filter", headers=viewer).status_code == 200
    assert client.delete("api_keys/viewer", headers=admin).status_code == 204
    assert client.delete("api_keys/viewer", headers=admin).status_code == 404
    assert client.post("flows/filter", headers=viewer).status_code == 401


def test_an_expired_key_opens_nothing(client: TestClient, parts: Parts, keys: dict[Role, str]) -> None:
    end = datetime.now(UTC) + timedelta(hours=1)
    wanted = ApiKeyCreate(name="short", role=Role.VIEWER, expires=end)
    key = parts.store.transaction(api_keys.create, wanted).key
    headers = {"Authorization": f"Bearer {key}"}
    assert client.post("flows/filter", headers=headers).status_code == 200
    parts.store.clock = ManualClock(end)
    assert client.post("flows/filter", headers=headers).status_code == 401


def test_a_viewer_sees_no_secret(client: TestClient, keys: dict[Role, str]) -> None:
    def ask(role: Role, method: str, path: str, **more: object) -> int:
        headers = {"Authorization": f"Bearer {keys[role]}"}
        answer: httpx.Response = client.request(method, path, headers=headers, json=more or None)
        return answer.status_code

    named = "block_types/slug/secret/block_documents/name/x?include_secrets={}"
    assert ask(Role.VIEWER, "GET", named.format("true")) == 403
    assert ask(Role.VIEWER, "GET", named.format("false")) == 404
    assert ask(Role.DEPLOYER, "GET", named.format("true")) == 404
    assert ask(Role.VIEWER, "POST", "block_documents/filter", include_secrets=True) == 403
    assert ask(Role.VIEWER, "POST", "block_documents/filter", include_secrets=False) == 200
