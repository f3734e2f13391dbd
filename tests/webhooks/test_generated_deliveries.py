"""Deliveries made up and spoiled: none is a fault of ours, none that is not properly signed makes anything, and what is
in the database is what the answers said."""

from __future__ import annotations

import copy
import json
import logging
import os
from collections import Counter
from random import Random
from typing import Any
from urllib.parse import quote_plus

import pytest

from skylift.models.webhooks import SignatureKind
from skylift.store.tables import webhook_deliveries
from skylift.webhooks.deliveries import MAX_BODY
from skylift.webhooks.signatures import sign
from tests.api.making import ok
from tests.conftest import Databases, Kind
from tests.webhooks.making import SECRET, Hooks, hooks_of
from tests.webhooks.test_payloads import BRIDGE, EVENT, GRID, PUB_SUB, S3, VALIDATION
from tests.webhooks.test_templates import PUSH

LONG, SHORT = 10_000, 300
ENVELOPES: list[Any] = [EVENT, BRIDGE, S3, PUB_SUB, GRID, VALIDATION, PUSH, {"id": "evt_1", "object": "event"}]
HOSTILE: list[Any] = [
    None,
    True,
    -1,
    2**70,
    10**400,
    1e308,
    float("nan"),
    "",
    "\0",
    "\ud800",
    "x" * 50_000,
    "{{ 7 * 7 }}",
    "{{ prefect.blocks.secret.x }}",
    "{% for x in range(999999999) %}{% endfor %}",
    [],
    {},
    {"\0": "\0"},
    [[[[]]]],
    json.loads("[" * 300 + "]" * 300),
    "9999-12-31T23:59:59-23:59",
]
TYPES = (
    "application/json",
    "application/cloudevents+json",
    "application/cloudevents-batch+json",
    "application/x-www-form-urlencoded",
    "text/plain",
    "multipart/form-data",
    "application/octet-stream",
    "\xe9",
    "",
)
TEMPLATES: list[Any] = [
    None,
    {"parameters": "{{ body }}"},
    {
        "parameters": {"a": "{{ data }}", "b": "{{ event.id | default('none') }}"},
        "name": "{{ event.subject | default('') }}",
    },
    {
        "parameters": {"commits": "{% for each in body.commits %}{{ each.id }},{% endfor %}"},
        "job_variables": {"env": {"REF": "{{ body.ref }}"}},
        "idempotency_key": "{{ body.ref | default(event.id) }}",
        "start_time": "{{ event.time | default(none) }}",
        "tags": ["{{ body.ref }}"],
        "when": "{{ body.ref is not defined or body.ref }}",
    },
]


def _spoiled(value: Any, random: Random) -> Any:
    """The same JSON with something hostile somewhere in it."""
    if isinstance(value, dict) and value and random.random() < 0.9:
        name = random.choice(sorted(value))
        return {**value, name: _spoiled(value[name], random)}
    if isinstance(value, list) and value and random.random() < 0.7:
        place = random.randrange(len(value))
        return [*value[:place], _spoiled(value[place], random), *value[place + 1 :]]
    return random.choice(HOSTILE)


def _body(random: Random) -> bytes:
    value = copy.deepcopy(random.choice(ENVELOPES))
    if isinstance(value, dict) and random.random() < 0.6:
        value["nonce"] = random.randrange(10**9)
        if "id" in value:
            value["id"] = str(random.randrange(50))
    roll = random.random()
    if roll < 0.35:
        value = _spoiled(value, random)
    elif roll < 0.42 and isinstance(value, dict):
        return "&".join(f"{quote_plus(str(k))}={quote_plus(str(v))}" for k, v in value.items()).encode()
    content = json.dumps(value).encode()
    if roll > 0.97:
        return random.randbytes(random.randrange(200))
    if roll > 0.94:
        place = random.randrange(len(content))
        return content[:place] + random.randbytes(1) + content[place + 1 :]
    return b" " * (MAX_BODY + 1) if roll > 0.9395 else content


class Storm:
    """Sends deliveries to webhooks of each kind, with and without a template, and keeps what was answered."""

    def __init__(self, hooks: Hooks, seed: int) -> None:
        self.hooks, self.random = hooks, Random(seed)
        self.targets = [
            hooks.create(kind, name=f"{kind} {number}", template=template)
            for kind in SignatureKind
            for number, template in enumerate(TEMPLATES)
        ]
        self.answers: Counter[str] = Counter()
        self.runs: set[str] = set()
        self.faults: list[str] = []

    def send(self) -> None:
        random = self.random
        hook, body = random.choice(self.targets), _body(random)
        headers = {"content-type": random.choice(TYPES)} if random.random() < 0.3 else {"content-type": TYPES[0]}
        if random.random() < 0.1:
            headers |= {f"ce-{key}": str(random.choice([*HOSTILE[:3], "a"])) for key in ("specversion", "id", "type")}
            headers |= {"ce-source": "s"} if random.random() < 0.5 else {}
        if random.random() < 0.1:
            headers["idempotency-key"] = str(random.randrange(20))
        now, secret, is_good = self.hooks.api.place.clock.at, SECRET, random.random() < 0.6
        signed = sign(SignatureKind(hook["kind"]), secret, body, now=now)
        if not is_good:
            signed, body = self._forged(signed, body)
        path = f"http://skylift{hook['path']}"
        sent = {key: value.encode("latin-1", "replace") for key, value in (headers | signed).items()}
        answer = self.hooks.api.http.post(path, content=body, headers=sent)
        self._note(hook, body, answer, is_good)

    def _forged(self, signed: dict[str, str], body: bytes) -> tuple[dict[str, str], bytes]:
        name = self.random.choice(sorted(signed))
        match self.random.randrange(5):
            case 0:
                return {}, body
            case 1:
                return signed | {name: signed[name][:-1]}, body
            case 2:
                return signed | {name: str(self.random.choice(HOSTILE)).replace("\0", "")[:200]}, body
            case 3 if "authorization" not in signed:
                return signed, body + b" "
        return {each: value[::-1] for each, value in signed.items()}, body

    def _note(self, hook: dict[str, Any], body: bytes, answer: Any, is_good: bool) -> None:
        status = answer.status_code
        self.answers[f"{'good' if is_good else 'bad'} {status}"] += 1
        if status >= 500 or (not is_good and status < 400):
            self.faults.append(f"{hook['name']} {is_good} {body[:300]!r}: {status} {answer.text[:300]}")
        if status == 202 and answer.json()["flow_run_id"]:
            self.runs.add(answer.json()["flow_run_id"])


def _storm(hooks: Hooks, number: int, seed: int) -> Storm:
    storm = Storm(hooks, seed)
    logging.disable(logging.CRITICAL)
    try:
        for _ in range(number):
            storm.send()
    finally:
        logging.disable(logging.NOTSET)
    assert not storm.faults, "\n".join(storm.faults[:10])
    assert storm.runs == {str(run.id) for run in hooks.runs()}, "each run was answered, and each answer is a run"
    lines = hooks.api.place.rows(webhook_deliveries)
    assert {str(line.flow_run_id) for line in lines if line.flow_run_id} == storm.runs
    assert ok(hooks.api.http.get("health"))
    return storm


def test_some_generated_deliveries(sqlite_url: str) -> None:
    for hooks in hooks_of(sqlite_url):
        storm = _storm(hooks, SHORT, seed=1)
        assert len(storm.runs) > SHORT / 10, storm.answers
        assert storm.answers["bad 401"] > SHORT / 10, storm.answers


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_ten_thousand_generated_deliveries(databases: Databases, kind: Kind) -> None:
    seed = int.from_bytes(os.urandom(4), "big")
    print(f"{kind}, seed {seed}")
    with databases.fresh(kind) as url:
        for hooks in hooks_of(url):
            storm = _storm(hooks, LONG, seed)
            print(dict(sorted(storm.answers.items())), f"{len(storm.runs)} runs")
            assert len(storm.runs) > LONG / 20
