"""Flows, variables, logs and the small answers, as clients see them."""

from __future__ import annotations

import threading
from typing import Any
from uuid import UUID

from fastapi.testclient import TestClient

from skylift.ids import new_id
from skylift.parts import Parts
from skylift.store.tables import deployments


def test_flows_are_made_once(client: TestClient) -> None:
    made = client.post("flows/", json={"name": "étl flow", "tags": ["a"], "labels": {"team": "x"}, "new": 1})
    assert made.status_code == 201
    again = client.post("flows/", json={"name": "étl flow", "tags": ["other"]})
    assert again.status_code == 200
    assert again.json() == made.json()
    flow = made.json()
    assert flow["labels"] == {"team": "x"}
    assert client.get(f"flows/{flow['id']}").json() == flow
    assert client.get("flows/name/étl flow").json() == flow
    assert client.patch(f"flows/{flow['id']}", json={"tags": ["b"]}).status_code == 204
    assert client.get(f"flows/{flow['id']}").json()["tags"] == ["b"]
    assert client.post("flows/count", json={}).json() == 1
    assert client.post("flows/filter").json()[0]["id"] == flow["id"]
    assert client.delete(f"flows/{flow['id']}").status_code == 204
    assert client.get(f"flows/{flow['id']}").status_code == 404
    assert client.delete(f"flows/{flow['id']}").status_code == 404
    assert client.patch(f"flows/{flow['id']}", json={"tags": []}).status_code == 404
    assert client.post("flows/", json={"name": "a/b"}).status_code == 422


def test_one_flow_for_many_who_make_it_at_once(client: TestClient) -> None:
    answers: list[tuple[int, str]] = []
    start = threading.Barrier(6)

    def make() -> None:
        start.wait()
        answer = client.post("flows/", json={"name": "same"})
        answers.append((answer.status_code, answer.json()["id"]))

    threads = [threading.Thread(target=make) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(status for status, _ in answers) == [200] * 5 + [201]
    assert len({flow_id for _, flow_id in answers}) == 1


def test_a_flow_with_deployments_stays(client: TestClient, parts: Parts) -> None:
    flow_id = client.post("flows/", json={"name": "f"}).json()["id"]
    row: dict[str, Any] = {
        "id": new_id(),
        "flow_id": UUID(flow_id),
        "name": "d",
        "tags": [],
        "labels": {},
        "paused": False,
        "parameters": {},
        "enforce_parameter_schema": True,
        "job_variables": {},
        "engine": "python",
        "claims": 0,
    }
    parts.store.transaction(lambda tx: tx.run(deployments.insert().values(**row, created=tx.now, updated=tx.now)))
    answer = client.delete(f"flows/{flow_id}")
    assert answer.status_code == 409
    assert "1 deployments" in answer.json()["detail"]


def test_variables(client: TestClient) -> None:
    made = client.post("variables/", json={"name": "region", "value": {"eu": [1, None]}, "tags": ["t"]})
    assert made.status_code == 201
    assert made.json()["value"] == {"eu": [1, None]}
    assert client.post("variables/", json={"name": "region", "value": 1}).status_code == 409
    assert client.get("variables/name/region").json() == made.json()
    assert client.get(f"variables/{made.json()['id']}").json() == made.json()
    assert client.get("variables/name/none").status_code == 404
    assert client.patch("variables/name/region", json={"value": None}).status_code == 204
    after = client.get("variables/name/region").json()
    assert after["value"] is None
    assert after["tags"] == ["t"]
    client.post("variables/", json={"name": "other", "value": "x"})
    assert client.patch("variables/name/other", json={"name": "region"}).status_code == 409
    assert client.patch("variables/name/other", json={"name": "other", "tags": None}).status_code == 204
    assert client.patch(f"variables/{made.json()['id']}", json={"name": "zone"}).status_code == 204
    listed = client.post("variables/filter", json={"limit": 100}).json()
    assert [each["name"] for each in listed] == ["other", "zone"]
    assert client.post("variables/filter", json={"variables": {"tags": {"all_": ["t"]}}}).json()[0]["name"] == "zone"
    assert client.post("variables/count", json={"variables": {"name": {"like_": "ZO"}}}).json() == 1
    assert client.delete("variables/name/zone").status_code == 204
    assert client.delete("variables/name/zone").status_code == 404
    assert client.post("variables/", json={"name": "big", "value": "x" * 70_000}).status_code == 422


def test_logs_come_back_in_the_dialect(client: TestClient) -> None:
    run = str(new_id())
    lines = [
        {
            "name": "flow",
            "level": 20,
            "message": text,
            "timestamp": f"2026-03-01 00:00:0{second}.5+00:00",
            "flow_run_id": run,
        }
        for second, text in ((2, "second"), (1, "first"))
    ]
    assert client.post("logs/", json=lines).status_code == 201
    assert client.post("logs/", json=[]).status_code == 201
    body = {
        "logs": {
            "operator": "and_",
            "level": None,
            "timestamp": None,
            "flow_run_id": {"any_": [run]},
            "task_run_id": None,
        },
        "limit": None,
        "offset": 0,
        "sort": "TIMESTAMP_ASC",
    }
    found = client.post("logs/filter", json=body).json()
    assert [each["message"] for each in found] == ["first", "second"]
    assert found[0]["timestamp"] == "2026-03-01T00:00:01.500000Z"
    assert found[0]["flow_run_id"] == run
    assert client.post("logs/filter", json={"sort": "LEVEL_ASC"}).status_code == 422


def test_small_answers(client: TestClient) -> None:
    assert client.get("health").json() is True
    assert client.get("ready").status_code == 200
    assert client.get("admin/version").json().startswith("3.")
    assert client.get("version").json()
    assert client.get("admin/storage").json() == {"default_result_storage_block_id": None}
    csrf = client.get("csrf-token?client=x")
    assert csrf.status_code == 422
    assert "CSRF protection is disabled." in csrf.text
    assert client.delete("automations/owned-by/prefect.deployment.x").status_code == 202
    assert client.get("automations/related-to/prefect.deployment.x").json() == []
