"""The API under the framework's ASGI server."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from typing import Any

import httpx
import pytest

from skylift_functions.gcp.api import flushing
from tests.functions.gcp.world import INVOKER, World
from tests.functions.workload import API_KEY


@pytest.mark.long
def test_the_api_answers_whoever_has_the_key_and_nobody_else(world: World) -> None:
    url, headers = f"{world.functions['api'].url}/api", {"Authorization": f"Bearer {API_KEY}"}
    with httpx.Client(base_url=url, timeout=60) as http:
        assert http.get("/health").status_code == 200
        assert http.post("/flows/", json={"name": "etl"}).status_code == 401
        made = http.post("/flows/", json={"name": "etl"}, headers=headers)
        assert made.status_code in (200, 201)
        assert http.get(f"/flows/{made.json()['id']}", headers=headers).json()["name"] == "etl"
        assert http.get("/flows/no-uuid", headers=headers).status_code == 404
        filters = http.post("/flows/filter?limit=3", json={}, headers=headers)
        assert [each["name"] for each in filters.json()] == ["etl"]
    assert API_KEY not in world.functions["api"].log.read_text()


@pytest.mark.long
def test_without_a_key_it_does_not_start_and_says_why(world: World) -> None:
    api = world.functions["api"]
    for instance in api.instances:
        del instance.env["SKYLIFT_API_KEY_FROM"]
    assert httpx.get(f"{api.url}/api/health", timeout=60).status_code == 500
    assert "set SKYLIFT_API_KEY_FROM" in api.log.read_text()


@pytest.mark.long
@pytest.mark.parametrize("name", ["schedule", "dispatch", "observe"])
def test_nobody_but_the_invoker_wakes_a_function(world: World, name: str) -> None:
    """`observe` looks at signatures itself here; Google's front does so for the others."""
    url = world.functions[name].url
    assert httpx.post(url, timeout=60).status_code == 401
    assert httpx.post(url, headers={"Authorization": "Bearer a.b.c"}, timeout=60).status_code == 401
    assert world.post(name, {"a": 1}, who="eve@acme-data.iam.gserviceaccount.com").status_code == 403
    assert world.post(name, {"verb": "other"}, who=INVOKER).status_code == 400


def test_an_answer_is_complete_when_its_wakeups_are_sent() -> None:
    told: list[str] = []

    class Wakeups:
        def send(self, *_: Any) -> None: ...

        def send_again(self, *_: Any) -> None: ...

        def flush(self, patience: float = 1.0) -> bool:
            told.append("flushed")
            return True

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"a", "more_body": True})
        await send({"type": "http.response.body", "body": b"b"})

    async def send(message: MutableMapping[str, Any]) -> None:
        told.append(str(message.get("body", message["type"])))

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request"}

    async def ask() -> None:
        await flushing(app, Wakeups())({"type": "http"}, receive, send)

    asyncio.run(ask())
    assert told == ["http.response.start", "b'a'", "flushed", "b'b'"]
