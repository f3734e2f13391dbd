"""Upkeep over the API, slots in pools' and queues' answers, and the routes by name."""

from __future__ import annotations

import csv
from typing import Any

import pytest
from fastapi.testclient import TestClient

from skylift.settings import Settings
from tests.api.making import Api, ok


@pytest.fixture
def store_url(sqlite_url: str) -> str:
    return sqlite_url


def test_retention_over_the_api(api: Api) -> None:
    done = ok(api.http.post("skylift/retention", json={"dry_run": True}))
    assert (done["complete"], done["flow_runs"], set(done["before"])) == (
        True,
        0,
        {"events", "deliveries", "expired_limits", "api_keys"},
    )
    assert ok(api.http.post("skylift/retention")) == done
    assert api.http.post("skylift/retention", json={"dryrun": True}).status_code == 422


def test_rotating_over_the_api(client: TestClient, settings: Settings) -> None:
    before = (settings.home / "secret.key").read_text()
    done = ok(client.post("skylift/secrets/rotate"))
    assert (done["complete"], done["key_file"], done["keys"]) == (True, True, 1)
    assert (settings.home / "secret.key").read_text() != before


def test_pools_and_queues_with_a_limit_say_how_many_slots_are_taken(api: Api) -> None:
    api.place.pool(concurrency_limit=5)
    ok(api.http.post("work_pools/pool/queues", json={"name": "q", "concurrency_limit": 3}), 201)
    deployment = api.deployment(work_queue_name="q")
    api.place.pool("pulled", type="process", concurrency_limit=2)
    api.place.pool("free")
    pulled = api.deployment("pulled", work_pool_name="pulled")
    for _ in range(2):
        api.run(deployment["id"])
    run = api.run(pulled["id"])
    api.run(pulled["id"])
    api.launch()
    ok(api.propose(run["id"], "PENDING"), 201)
    found = {each["name"]: each["active_slots"] for each in ok(api.http.post("work_pools/filter", json={}))}
    assert found == {"pool": 2, "pulled": 1, "free": None}
    found = {each["name"]: each["active_slots"] for each in ok(api.http.post("work_pools/pool/queues/filter", json={}))}
    assert found == {"default": None, "q": 2}
    assert ok(api.http.get("work_pools/pulled"))["active_slots"] == 1
    assert ok(api.http.get("work_queues/name/q"))["active_slots"] == 2


def test_queues_by_name(api: Api) -> None:
    api.place.pool()
    queue = ok(api.http.post("work_pools/pool/queues", json={"name": "q"}), 201)
    assert queue["description"] == ""
    assert ok(api.http.get("work_queues/name/q"))["id"] == queue["id"]
    ok(api.http.patch("work_pools/pool/queues/q", json={"concurrency_limit": 4}), 204)
    assert ok(api.http.get("work_pools/pool/queues/q"))["concurrency_limit"] == 4
    api.place.pool("other")
    for name, word in (("default", "Several"), ("nowhere", "No work pool")):
        answer = api.http.get(f"work_queues/name/{name}")
        assert answer.status_code == 404
        assert word in answer.json()["detail"]
    answer = api.http.post("work_queues/", json={"name": "x"})
    assert answer.status_code == 422
    assert "--pool" in answer.text
    ok(api.http.delete("work_pools/pool/queues/q"), 204)
    assert api.http.delete("work_pools/pool/queues/q").status_code == 404
    assert api.http.delete("work_pools/pool/queues/default").status_code == 409


def test_logs_as_a_file(api: Api) -> None:
    api.place.pool()
    run = api.run(api.deployment()["id"])["id"]
    lines: list[dict[str, Any]] = [
        {"name": "n", "level": 20, "message": f'line "{number}", with\na break', "timestamp": api.at(number)}
        for number in range(700)
    ]
    ok(api.http.post("logs/", json=[{**line, "flow_run_id": run} for line in lines]), 201)
    answer = api.http.get(f"flow_runs/{run}/logs/download")
    assert answer.status_code == 200
    assert "-logs.csv" in answer.headers["Content-Disposition"]
    rows = list(csv.DictReader(answer.text.splitlines(keepends=True)))
    assert [row["message"] for row in rows] == [line["message"] for line in lines]
    assert {row["flow_run_id"] for row in rows} == {run}
    other = run[:-4] + ("0000" if run[-4:] != "0000" else "1111")
    assert api.http.get(f"flow_runs/{other}/logs/download").status_code == 404
