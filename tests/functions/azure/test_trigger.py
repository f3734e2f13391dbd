"""Webhooks' function: it answers as the API does, and wakes dispatch before it answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl

import azure.functions as func
import pytest

from skylift.webhooks.deliveries import MAX_BODY
from tests.functions.azure.bench import Bench, Context, call
from tests.webhooks.making import Hooks, hooks_of

BEARER = "Bearer a-secret-of-some-length"


@pytest.fixture
def hooks(postgres_url: str) -> Iterator[Hooks]:
    yield from hooks_of(postgres_url)


@pytest.fixture
def bench(hooks: Hooks, monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(hooks.api.place, monkeypatch)


def request(
    hooks: Hooks, body: bytes = b'{"a": 1}', *, method: str = "POST", of: str = "", query: str = "", **headers: str
) -> func.HttpRequest:
    """To a webhook, by its id, with the route's parameters as the host fills them in."""
    of = of or hooks.made["path"].rpartition("/")[2]
    given = {"content-type": "application/json"} | {name.replace("_", "-"): each for name, each in headers.items()}
    address = f"https://skylift.example/hooks/{of}" + (f"?{query}" if query else "")
    return func.HttpRequest(
        method, address, headers=given, params=dict(parse_qsl(query)), route_params={"id": of}, body=body
    )


def both(hooks: Hooks, **asked: Any) -> int:
    """The same request to the API and to the function; the status, which is the same from both, as is the answer."""
    wanted = request(hooks, **asked)
    address = wanted.url.replace("https://skylift.example", "http://skylift")
    told = call("trigger", wanted, Context())
    answer = hooks.api.http.request(
        wanted.method, address, content=wanted.get_body(), headers=dict(wanted.headers.items())
    )
    assert (told.status_code, json.loads(told.get_body())) == (answer.status_code, answer.json())
    for name in ("allow", "www-authenticate", "webhook-allowed-origin", "webhook-allowed-rate"):
        assert told.headers.get(name) == answer.headers.get(name)
    status: int = answer.status_code
    return status


def test_it_answers_as_the_api_does(hooks: Hooks, bench: Bench) -> None:
    hooks.create("bearer")
    known = "token=a-secret-of-some-length"
    assert both(hooks, authorization=BEARER, idempotency_key="1") == 202
    assert both(hooks, query=known, idempotency_key="1") == 202
    assert len(hooks.runs()) == 1
    assert both(hooks, method="OPTIONS", query=known, webhook_request_origin="events.example") == 200
    assert both(hooks, authorization=BEARER, x_github_event="ping") == 200
    assert both(hooks) == 401
    assert both(hooks, of="none", query=known) == 404
    assert both(hooks, body=b" " * (MAX_BODY + 1), query=known) == 413
    assert both(hooks, body=b"<a/>", query=known, content_type="application/xml") == 415
    assert both(hooks, body=b"{", query=known) == 422
    assert len(hooks.runs()) == 1


def test_event_grid_is_shaken_hands_with(hooks: Hooks, bench: Bench) -> None:
    hooks.create("bearer")
    event = {
        "id": "1",
        "topic": "/subscriptions/s",
        "subject": "",
        "eventType": "Microsoft.EventGrid.SubscriptionValidationEvent",
        "eventTime": "2026-03-01T12:00:00Z",
        "dataVersion": "1",
        "data": {"validationCode": "42"},
    }
    body = json.dumps([event]).encode()
    asked = {"query": "token=a-secret-of-some-length", "aeg_event_type": "SubscriptionValidation"}
    told = call("trigger", request(hooks, body, **asked), Context())
    assert (told.status_code, json.loads(told.get_body())) == (200, {"validationResponse": "42"})
    assert not hooks.runs()


def test_dispatch_has_been_woken_when_the_sender_hears_of_its_run(hooks: Hooks, bench: Bench) -> None:
    hooks.create("bearer")
    told = call("trigger", request(hooks, authorization=BEARER), Context())
    ((verb, body, delay),) = bench.storage.sent  # not flushed by the test
    (run,) = hooks.runs()
    assert (verb, body["pool_id"], delay) == ("dispatch", str(run.work_pool_id), 0)
    assert json.loads(told.get_body())["flow_run_id"] == str(run.id)


def test_a_run_whose_wakeup_cannot_be_sent_is_durable_and_so_is_its_answer(hooks: Hooks, bench: Bench) -> None:
    hooks.create("bearer")
    bench.storage.fails = [ConnectionError()]
    assert call("trigger", request(hooks, authorization=BEARER), Context()).status_code == 202
    assert hooks.due() == 1  # the timer finds it
