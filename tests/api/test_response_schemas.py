"""What a session's answers look like, held to the reference's own description of them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.making import Api, ok
from tests.support.response_schemas import operation_of, problems

CRON = {"schedule": {"cron": "0 9 * * *", "timezone": "Europe/Paris"}}
EVERY = {"schedule": {"interval": 3600}, "slug": "hourly", "parameters": {"a": 1}}
RRULE = {"schedule": {"rrule": "FREQ=DAILY"}, "active": False}


class Session:
    """Requests, each answer of which is looked at."""

    def __init__(self, api: Api) -> None:
        self.http = api.http
        self.seen: set[str] = set()
        self.wrong: list[str] = []

    def __call__(self, method: str, path: str, body: Any = None) -> Any:
        answer = self.http.request(method, path, json=body)
        assert answer.status_code < 300, f"{method} {path}: {answer.text}"
        found = answer.json() if answer.content else None
        operation = operation_of(method, f"/{path.partition('?')[0]}")
        if operation:
            self.seen.add(operation)
            self.wrong += [f"{operation}: {each}" for each in problems(operation, found)]
        return found


@pytest.fixture
def store_url(sqlite_url: str) -> str:
    return sqlite_url


def test_every_answer_has_the_fields_that_clients_know(api: Api) -> None:
    ask = Session(api)
    _pools(api, ask)
    flow = ask("POST", "flows/", {"name": "f", "tags": ["t"], "labels": {"l": 1}})["id"]
    deployment = _deployments(ask, flow)
    _runs(api, ask, flow, deployment)
    _variables(ask)
    _blocks(ask)
    for path in (f"flows/{flow}", "flows/name/f"):
        ask("GET", path)
    for path in ("flows/filter", "flows/count", "flows/paginate"):
        ask("POST", path, {})
    ask("POST", "deployments/bulk_delete", {"deployments": {"flow_id": {"any_": [flow]}}})
    ask("POST", "flow_runs/bulk_delete", {})
    ask("POST", "flows/bulk_delete", {"flows": {"name": {"any_": ["f"]}}})
    assert not ask.wrong, "\n".join(dict.fromkeys(ask.wrong))
    assert len(ask.seen) >= 55, sorted(ask.seen)


def _pools(api: Api, ask: Session) -> None:
    body = {"name": "pool", "type": "cloud:push", "base_job_template": api.place.cloud.base_job_template()}
    ask("POST", "work_pools/", body)
    ask("GET", "work_pools/pool")
    queue = ask("POST", "work_pools/pool/queues", {"name": "q", "concurrency_limit": 3})["id"]
    ask("GET", "work_pools/pool/queues/q")
    ask("GET", f"work_queues/{queue}")
    for path in ("work_pools/filter", "work_pools/count", "work_pools/pool/queues/filter", "work_queues/filter"):
        ask("POST", path, {})


def _deployments(ask: Session, flow: str) -> str:
    body = {
        "name": "d",
        "flow_id": flow,
        "work_pool_name": "pool",
        "work_queue_name": "q",
        "job_variables": {"command": "true"},
        "schedules": [CRON, EVERY, RRULE],
        "concurrency_limit": 2,
        "concurrency_options": {"collision_strategy": "ENQUEUE"},
        "parameter_openapi_schema": {"type": "object"},
        "pull_steps": [{"step": {}}],
    }
    deployment: str = ask("POST", "deployments/", body)["id"]
    ask("POST", "deployments/", {"name": "bare", "flow_id": flow})
    ask("POST", f"deployments/{deployment}/schedules", [{"schedule": {"cron": "0 1 * * *"}}])
    ask("POST", f"deployments/{deployment}/schedule", {})
    for path in (f"deployments/{deployment}", "deployments/name/f/d"):
        ask("GET", path)
    for path in ("schedules", "work_queue_check"):
        ask("GET", f"deployments/{deployment}/{path}")
    for path in ("filter", "count", "paginate"):
        ask("POST", f"deployments/{path}", {})
    return deployment


def _runs(api: Api, ask: Session, flow: str, deployment: str) -> None:
    run = ask("POST", f"deployments/{deployment}/create_flow_run", {})["id"]
    ask("POST", f"deployments/{deployment}/create_flow_run/bulk", [{}, {"job_variables": {"cpu": 99}}])
    alone = ask("POST", "flow_runs/", {"flow_id": flow, "empirical_policy": {"retries": 1}})["id"]
    ask("POST", "deployments/get_scheduled_flow_runs", {"deployment_ids": [deployment]})
    ask("POST", "work_pools/pool/get_scheduled_flow_runs", {})
    for state in ("PENDING", "PENDING", "RUNNING", "FAILED", "RUNNING", "PAUSED"):
        details = {"pause_timeout": api.at(60)} if state == "PAUSED" else {}
        ask("POST", f"flow_runs/{alone}/set_state", {"state": {"type": state, "state_details": details}})
    later = {"type": "SCHEDULED", "state_details": {"scheduled_time": api.at(60)}}
    ask("POST", f"flow_runs/{run}/set_state", {"state": later})
    ask("POST", f"flow_runs/{run}/set_state", {"state": {"type": "RUNNING"}})
    ask("POST", f"flow_runs/{alone}/resume", {})
    ask("POST", f"flow_runs/{alone}/input", {"key": "k", "value": "1", "sender": "me"})
    ask("POST", f"flow_runs/{alone}/input/filter", {"prefix": "k"})
    ask("PATCH", f"flow_runs/{alone}/labels", {"l": 1})
    state = ask("GET", f"flow_runs/{alone}")["state_id"]
    ask("GET", f"flow_run_states/{state}")
    assert len(ask("GET", f"flow_run_states/?flow_run_id={alone}")) >= 5
    for path in ("filter", "count", "paginate", "lateness"):
        ask("POST", f"flow_runs/{path}", {})
    stretch = {"history_start": api.at(-60), "history_end": api.at(600), "history_interval_seconds": 60}
    ask("POST", "flow_runs/history", stretch)
    ask("POST", "flow_runs/bulk_set_state", {"state": {"type": "CANCELLED"}})
    line = {"name": "n", "level": 20, "message": "m", "timestamp": api.at(), "flow_run_id": alone}
    ask("POST", "logs/", [line])
    ask("POST", "logs/filter", {})


def _variables(ask: Session) -> None:
    for name, value in (("a", 1), ("b", {"x": [None]}), ("c", None)):
        made = ask("POST", "variables/", {"name": name, "value": value, "tags": ["t"]})
        ask("GET", f"variables/{made['id']}")
        ask("GET", f"variables/name/{name}")
    for path in ("variables/filter", "variables/count"):
        ask("POST", path, {})


def _blocks(ask: Session) -> None:
    [kind, *_] = ask("POST", "block_types/filter", {"block_types": {"slug": {"any_": ["aws-credentials"]}}})
    wanted = {"block_schemas": {"block_type_id": {"any_": [kind["id"]]}}}
    [schema, *_] = ask("POST", "block_schemas/filter", wanted)
    ask("GET", f"block_types/{kind['id']}")
    ask("GET", f"block_types/slug/{kind['slug']}")
    ask("GET", f"block_schemas/{schema['id']}")
    ask("GET", f"block_schemas/checksum/{schema['checksum']}")
    body = {
        "name": "mine",
        "data": {"aws_access_key_id": "x"},
        "block_type_id": kind["id"],
        "block_schema_id": schema["id"],
    }
    document = ask("POST", "block_documents/", body)["id"]
    ask("GET", f"block_documents/{document}")
    ask("GET", f"block_types/slug/{kind['slug']}/block_documents/name/mine")
    ask("GET", f"block_types/slug/{kind['slug']}/block_documents")
    for path in ("filter", "count"):
        ask("POST", f"block_documents/{path}", {})


def test_it_would_be_noticed(api: Api) -> None:
    operation = operation_of("GET", "/flows/name/f")
    assert operation == "GET /flows/name/{name}"
    found = ok(api.http.post("flows/", json={"name": "f"}), 201)
    assert problems(operation, found) == []
    assert problems(operation, {**found, "name": None})
    assert problems(operation, {key: value for key, value in found.items() if key != "tags"}) == ["$.tags is missing"]
    assert problems(operation, {**found, "created": "yesterday"})
