"""The API under AWS's own runtime client, behind a front that speaks HTTP API v2."""

from __future__ import annotations

import httpx

from tests.functions.aws.world import World
from tests.functions.workload import API_KEY


def test_the_api_answers_whoever_has_the_key_and_nobody_else(world: World) -> None:
    url, headers = f"{world.front.url}/api", {"Authorization": f"Bearer {API_KEY}"}
    with httpx.Client(base_url=url, timeout=60) as http:
        assert http.get("/health").status_code == 200
        assert http.post("/flows/", json={"name": "etl"}).status_code == 401
        made = http.post("/flows/", json={"name": "etl"}, headers=headers)
        assert made.status_code in (200, 201)
        assert http.get(f"/flows/{made.json()['id']}", headers=headers).json()["name"] == "etl"
        assert http.get("/flows/no-uuid", headers=headers).status_code == 404
    assert API_KEY not in world.functions["api"].log.read_text()


def test_without_a_key_it_does_not_start_and_says_why(world: World) -> None:
    api = world.functions["api"]
    for sandbox in api.sandboxes:
        sandbox.env = {name: value for name, value in sandbox.env.items() if name != "SKYLIFT_API_KEY_FROM"}
    assert httpx.get(f"{world.front.url}/api/health", timeout=60).status_code == 502
    assert "set SKYLIFT_API_KEY_FROM" in api.log.read_text()
