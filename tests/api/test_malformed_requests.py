"""Requests that no client of good will sends: each is refused with a sentence, or taken whole, on either database."""

from __future__ import annotations

from typing import Any

import pytest

from skylift.api.bodies import MAX_BODY
from skylift.ids import new_id
from skylift.json_text import fault_of
from tests.api.making import Api, ok, refused

LONG = "".join(f"{number:x}" for number in range(3000))
"""A text that an index has no room for, even when it is compressed."""
IDS = [str(new_id()) for _ in range(5000)]
TEXTS = [f"t{number}" for number in range(1000)]


@pytest.mark.parametrize(
    "body",
    [
        b'{"name":NaN}',
        b'{"name":-Infinity}',
        b'{"name":1e999}',
        b'{"name":' + b"9" * 5000 + b"}",
        b'{"name":"\\ud800"}',
        b'{"name":"\xed\xa0\x80"}',
        b'{"\\udfff":1}',
        b"[" * 100_000,
        b'{"a":' * 101 + b"1" + b"}" * 101,
        '{"name":"x"}'.encode("utf-16"),
        '{"name":"x"}'.encode("utf-16-le"),
        b"\xff",
    ],
)
def test_what_is_no_json_for_everyone_is_refused(body: bytes) -> None:
    assert fault_of(body)


@pytest.mark.parametrize(
    "body",
    [
        b'{"name":"NaN, Infinity, 1e999"}',
        b'{"n":' + b"9" * 400 + b"}",
        b'{"name":"\\ud83d\\ude00"}',
        b'{"a":' * 99 + b"1" + b"}" * 99,
        b'"' + b"[" * 1000 + b'"',
        b"[{}" + b",{}" * 1000 + b"]",
        b'{"name":"\\u0000"}',
        b"{",
    ],
)
def test_what_is_json_is_for_the_routes(body: bytes) -> None:
    assert fault_of(body) is None


def test_a_body_that_is_too_large(api: Api) -> None:
    large = b'{"name":"' + b"x" * MAX_BODY + b'"}'
    headers = {"Content-Type": "application/json"}
    refused(api.http.post("flows/", content=large, headers=headers), 413, str(MAX_BODY))
    chunks = (large[start : start + 2**20] for start in range(0, len(large), 2**20))
    refused(api.http.post("flows/", content=chunks, headers=headers), 413)


def test_nul_characters_and_what_no_index_holds(api: Api) -> None:
    api.pool()
    deployment = api.deployment()["id"]
    run = api.run(deployment)
    http, new_run = api.http, f"deployments/{deployment}/create_flow_run"
    path = f"flow_runs/{run['id']}/set_state"
    for path_, body in {
        "flows/": {"name": "a\0"},
        new_run: {"idempotency_key": "\0"},
        "task_runs/": {"flow_run_id": run["id"], "task_key": "\0", "dynamic_key": "1"},
        "concurrency_limits/increment": {"names": ["\0"], "task_run_id": str(new_id())},
    }.items():
        refused(http.post(path_, json=body), 422, "NUL")
    for body in ({"idempotency_key": LONG}, {"work_queue_name": LONG}, {"work_queue_name": "a/b"}):
        refused(http.post(new_run, json=body), 422)
    refused(http.post(path, json={"state": {"type": "PENDING", "name": LONG}}), 422)
    refused(http.get("flows/name/%00"), 422, "NUL")
    refused(http.get("flow_run_states/?flow_run_id=%00"), 422, "NUL")
    # JSON is kept as JSON, and logs are no text columns: both hold everything.
    parameters = {"s": "a\0", "n": 2**70}
    assert ok(http.post(new_run, json={"parameters": parameters}), 201)["parameters"] == parameters
    line = {"name": "n\0", "level": 20, "message": "m\0", "timestamp": api.at(), "flow_run_id": run["id"]}
    ok(http.post("logs/", json=[line]), 201)
    found = ok(http.post("logs/filter", json={"logs": {"flow_run_id": {"any_": [run["id"]]}}}))
    assert [each["message"] for each in found] == ["m\0"]


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"])
def test_the_ends_of_the_calendar(api: Api, at: str) -> None:
    span = {"history_start": at, "history_end": at, "history_interval_seconds": 60}
    refused(api.http.post("flow_runs/history", json=span), 422, "years 1000 to 9000")


@pytest.mark.parametrize(
    "filters",
    [
        {"flow_runs": {name: {"any_": IDS, "not_any_": IDS} for name in ("id", "flow_id", "deployment_id")}},
        {"flow_runs": {"tags": {"any_": TEXTS}}},
        {"flow_runs": {"tags": {"all_": TEXTS}}},
        {"flow_runs": {"name": {"startswith_": TEXTS}}},
    ],
)
def test_filters_that_no_database_takes(api: Api, filters: dict[str, Any]) -> None:
    refused(api.http.post("flow_runs/filter", json=filters), 422, "may have at most")
