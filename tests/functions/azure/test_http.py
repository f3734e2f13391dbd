"""The API and webhooks, as Azure's front passes requests on to real worker processes."""

from __future__ import annotations

import httpx
import pytest

from tests.functions.azure.world import World
from tests.functions.workload import API_KEY


@pytest.mark.long
def test_the_api_answers_whoever_has_the_key_and_nobody_else(world: World) -> None:
    headers = {"Authorization": f"Bearer {API_KEY}"}
    with httpx.Client(base_url=f"{world.front.url}/api", timeout=60) as http:
        assert http.get("/health").status_code == 200
        assert http.post("/flows/", json={"name": "etl"}).status_code == 401
        made = http.post("/flows/", json={"name": "etl"}, headers=headers)
        assert made.status_code in (200, 201)
        assert http.get(f"/flows/{made.json()['id']}", headers=headers).json()["name"] == "etl"
        assert http.get("/flows/no-uuid", headers=headers).status_code == 404
        assert http.get("/flows/name/a%20b", headers=headers).status_code == 404
    assert API_KEY not in "".join(path.read_text() for path in world.folder.glob("*.log"))


@pytest.mark.long
def test_deliveries_that_are_not_right_are_refused_and_make_nothing(world: World) -> None:
    furnished = world.pool()
    sender = world.webhook()
    unsigned = httpx.post(sender.url, json={"number": 1}, timeout=60)
    assert (unsigned.status_code, furnished is not None) == (401, True)
    assert httpx.post(f"{world.front.url}/hooks/none", json={}, timeout=60).status_code == 404
    assert httpx.get(sender.url, timeout=60).status_code == 404  # no function is called for it
    assert world.states() == {}
    assert sender.deliver(1)
    assert sum(world.states().values()) == 1


@pytest.mark.long
def test_without_a_key_it_does_not_start_and_says_why(world: World) -> None:
    world.configure({"SKYLIFT_API_KEY": ""})
    assert httpx.get(f"{world.front.url}/api/health", timeout=60).status_code == 500
    assert "set SKYLIFT_API_KEY_FROM" in (world.folder / "http.log").read_text()
