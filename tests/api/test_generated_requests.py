"""Requests made up from our own OpenAPI document, and spoiled further: nothing brings a fault of ours, and none hangs.

Ids and names of things that are there are put into a part of them, or nearly all would end at "not found".
"""

from __future__ import annotations

import json
import logging
import time
from collections import Counter
from random import Random
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis.core.result import Ok
from schemathesis.generation import GenerationMode
from schemathesis.generation.case import Case
from schemathesis.schemas import APIOperation

from tests.api.making import Api, api_of, ok
from tests.conftest import Databases, Kind

LONG = 10_000
"""Requests to each kind of database, at least."""
SLOW = 30.0
"""Seconds that no answer may take, on a machine that has other work as well."""
MEANT = {501, 502}
"""What an answer may be from 500 on: automations are not served, and clouds may be unreachable."""

AT = "0001-01-01T00:00:00+23:59"
HOSTILE: list[Any] = [
    None,
    True,
    -1,
    0,
    2**31,
    2**63,
    -(2**70),
    10**400,
    1e308,
    -0.0,
    float("nan"),
    float("inf"),
    "",
    "\0",
    "a\0b",
    "\ud800",
    "\U0010ffff",
    "x" * 100_000,
    "é" * 1_000,
    "%00/../%2e%2e/",
    "'; DROP TABLE flow_runs; --",
    AT,
    "9999-12-31T23:59:59-23:59",
    "2026-02-30T00:00:00Z",
    "00000000-0000-0000-0000-000000000000",
    "not-an-id",
    [],
    {},
    [[]],
    {"any_": ["\0"]},
    {"any_": None, "operator": "or_"},
    {"\0": "\0"},
    json.loads("[" * 300 + "]" * 300),
    json.loads('{"a":' * 90 + "1" + "}" * 90),
]


def _known(api: Api) -> dict[str, list[str]]:
    """One thing of each kind, by the names that paths and bodies give them."""
    api.pool()
    queue = api.queue("queue")
    deployment = api.deployment()
    run = api.run(deployment["id"])
    flow_id = run["flow_id"]
    http = api.http
    task = {"flow_run_id": run["id"], "task_key": "t", "dynamic_key": "0"}
    task_run = ok(http.post("task_runs/", json=task), 201)
    variable = ok(http.post("variables/", json={"name": "variable", "value": 1}), 201)
    artifact = ok(http.post("artifacts/", json={"key": "key", "flow_run_id": run["id"], "data": "x"}), 201)
    limit = ok(http.post("v2/concurrency_limits/", json={"name": "limit", "limit": 2}), 201)
    kind = ok(http.post("block_types/", json={"name": "kind", "slug": "kind"}), 201)
    schema = ok(http.post("block_schemas/", json={"block_type_id": kind["id"], "fields": {}}), 201)
    block = {"name": "block", "block_type_id": kind["id"], "block_schema_id": schema["id"], "data": {}}
    document = ok(http.post("block_documents/", json=block), 201)
    launched = api.launch()
    # From the first key on everyone is asked for one, and the storm makes some.
    key = ok(http.post("api_keys/", json={"name": "storm", "role": "admin"}), 201)["key"]
    http.headers["Authorization"] = f"Bearer {key}"
    return {
        "name": ["pool", "variable", "deployment", "flow", "block"],
        "queue": ["queue"],
        "queue_id": [queue["id"]],
        "work_pool_name": ["pool"],
        "work_queue_name": ["queue"],
        "flow_name": ["flow"],
        "flow_id": [flow_id],
        "deployment_id": [deployment["id"]],
        "flow_run_id": [run["id"]],
        "task_run_id": [task_run["id"]],
        "parent_task_run_id": [task_run["id"]],
        "state_id": [run["state_id"], task_run["state_id"]],
        "attempt_id": [str(each.launch.attempt_id) for each in launched],
        "variable_id": [variable["id"]],
        "artifact_id": [artifact["id"]],
        "key": ["key"],
        "id_or_name": ["limit", limit["id"]],
        "block_type_id": [kind["id"]],
        "block_schema_id": [schema["id"]],
        "block_document_id": [document["id"]],
        "checksum": [schema["checksum"]],
        "slug": ["kind"],
        "tag": ["tag"],
    }


def _operations(api: Api) -> list[APIOperation[Any, Any, Any, Any]]:
    """Those that delete come last."""
    schema = schemathesis.openapi.from_dict(api.http.app.openapi())  # type: ignore[attr-defined]
    found = [each.ok() for each in schema.get_all_operations() if isinstance(each, Ok)]
    return sorted(found, key=lambda each: each.method.upper() == "DELETE" or "delete" in each.path)


def _spoil(value: Any, random: Random) -> Any:
    """The same JSON value with something hostile somewhere in it."""
    if isinstance(value, dict) and value and random.random() < 0.9:
        name = random.choice(sorted(value))
        return {**value, name: _spoil(value[name], random)}
    if isinstance(value, list) and value and random.random() < 0.7:
        place = random.randrange(len(value))
        return [*value[:place], _spoil(value[place], random), *value[place + 1 :]]
    return random.choice(HOSTILE)


class Storm:
    """Sends generated requests, and keeps what went wrong."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.known = _known(api)
        self.sent: Counter[int] = Counter()
        self.faults: dict[tuple[str, int], str] = {}

    def send(self, case: Case[Any], random: Random) -> None:
        parameters = {**case.path_parameters}
        body = case.body
        if random.random() < 0.7:
            parameters |= {name: random.choice(self.known[name]) for name in parameters if self.known.get(name)}
        if isinstance(body, dict) and random.random() < 0.5:
            body = body | {name: random.choice(self.known[name]) for name in body if self.known.get(name)}
        if random.random() < 0.4:
            body = _spoil(body, random)
        path = case.operation.path.removeprefix("/api/")
        for name, value in parameters.items():
            path = path.replace("{" + name + "}", _segment(value))
        self._exchange(case.operation.method, path, {**(case.query or {})}, body)

    def _exchange(self, method: str, path: str, query: dict[str, Any], body: Any) -> None:
        content = body if isinstance(body, bytes) else _json(body)
        began = time.monotonic()
        answer = self.api.http.request(
            method, path, params=query, content=content, headers={"Content-Type": "application/json"}
        )
        took = time.monotonic() - began
        self.sent[answer.status_code] += 1
        if (answer.status_code >= 500 and answer.status_code not in MEANT) or took > SLOW:
            told = f"{method.upper()} {path} {query} {(content or b'')[:500]!r}: {took:.1f} s, {answer.text[:300]}"
            self.faults.setdefault((f"{method.upper()} {path}", answer.status_code), told)


def _segment(value: Any) -> str:
    text = str(value).encode(errors="replace")
    return "".join(f"%{byte:02X}" for byte in text) or "-"


def _json(body: Any) -> bytes | None:
    try:
        return json.dumps(body).encode()
    except TypeError:
        return None  # the marker for no body


MODES = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)


def _storm(api: Api, each: int, *, derandomize: bool) -> Storm:
    """`each` requests that fit the document, and as many that do not, to each operation; derandomized only the ones or
    the others, in turn."""
    storm = Storm(api)
    logging.disable(logging.CRITICAL)
    try:
        for index, operation in enumerate(_operations(api)):
            for mode in MODES[index % 2 :][:1] if derandomize else MODES:
                _run(storm, operation, mode, each, derandomize)
    finally:
        logging.disable(logging.NOTSET)
    return storm


def _run(
    storm: Storm, operation: APIOperation[Any, Any, Any, Any], mode: GenerationMode, each: int, derandomize: bool
) -> None:
    @settings(
        max_examples=each,
        derandomize=derandomize,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode), random=st.randoms(use_true_random=False))
    def send(case: Case[Any], random: Random) -> None:
        storm.send(case, random)

    try:
        send()
    except Unsatisfiable:
        assert mode is GenerationMode.NEGATIVE, f"nothing fits {operation.label}"


def test_some_generated_requests_bring_no_fault(sqlite_url: str) -> None:
    for api in api_of(sqlite_url):
        storm = _storm(api, 2, derandomize=True)
    assert storm.sent.total() > 250
    assert sum(count for status, count in storm.sent.items() if status < 300) > 25, storm.sent
    assert not storm.faults, "\n".join(storm.faults.values())


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_ten_thousand_generated_requests_bring_no_fault(databases: Databases, kind: Kind) -> None:
    with databases.fresh(kind) as url:
        for api in api_of(url):
            storm = _storm(api, 30, derandomize=False)
    print(kind, dict(storm.sent))
    assert storm.sent.total() >= LONG
    assert sum(count for status, count in storm.sent.items() if status < 300) > LONG / 10, storm.sent
    assert not storm.faults, "\n".join(storm.faults.values())
