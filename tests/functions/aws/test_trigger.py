"""Webhooks' function: it answers as the API does, wakes dispatch before it answers, and never raises."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from skylift.webhooks.deliveries import MAX_BODY
from tests.api.making import ok
from tests.clouds.http_cloud import Request
from tests.clouds.lambda_events import http_event
from tests.functions.aws.bench import Bench
from tests.functions.aws.world import World
from tests.webhooks.making import Hooks, hooks_of


@pytest.fixture
def hooks(postgres_url: str) -> Iterator[Hooks]:
    yield from hooks_of(postgres_url)


@pytest.fixture
def bench(hooks: Hooks, monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(hooks.api.place, monkeypatch)


def event_of(method: str, path: str, body: bytes, headers: dict[str, str], query: dict[str, str]) -> dict[str, Any]:
    return http_event(Request(method, path, query, headers, body))


class Both:
    """The same request to the API and to the function."""

    def __init__(self, hooks: Hooks, bench: Bench) -> None:
        self.hooks, self.bench = hooks, bench

    def ask(
        self, body: bytes = b'{"a": 1}', *, method: str = "POST", path: str = "", query: str = "", **headers: str
    ) -> tuple[int, Any]:
        """The answer, which has to be the same from both."""
        path = path or self.hooks.made["path"]
        given = {"content-type": "application/json"} | {name.replace("_", "-"): each for name, each in headers.items()}
        address = f"http://skylift{path}" + (f"?{query}" if query else "")
        asked = self.hooks.api.http.request(method, address, content=body, headers=given)
        event = event_of(method, path, body, given, {}) | {"rawQueryString": query}
        told = self.bench.call("trigger", event)
        assert (told["statusCode"], json.loads(told["body"])) == (asked.status_code, asked.json())
        for name in ("allow", "www-authenticate", "webhook-allowed-origin", "webhook-allowed-rate"):
            lowered = {key.lower(): value for key, value in told["headers"].items()}
            if asked.status_code != 405:
                assert lowered.get(name) == asked.headers.get(name)
        return asked.status_code, asked.json()


def test_it_answers_as_the_api_does(hooks: Hooks, bench: Bench) -> None:
    made, both = hooks.create("bearer"), Both(hooks, bench)
    known, secret = f"token={'a-secret-of-some-length'}", "Bearer a-secret-of-some-length"
    status, receipt = both.ask(authorization=secret, idempotency_key="1")
    assert (status, receipt["outcome"]) == (202, "run")
    assert both.ask(query=known, idempotency_key="1")[1] == receipt
    assert len(hooks.runs()) == 1
    assert both.ask(b"a=1&b=%20", query=known, idempotency_key="2", content_type="application/x-www-form-urlencoded")
    assert both.ask(method="OPTIONS", query=known, webhook_request_origin="events.example")[0] == 200
    assert both.ask(authorization=secret, x_github_event="ping")[0] == 200
    assert both.ask()[0] == 401
    assert both.ask(path="/hooks/none", query=known)[0] == 404
    assert both.ask(path=f"/hooks/{hooks.deployment}", query=known)[0] == 404
    assert both.ask(b" " * (MAX_BODY + 1), query=known)[0] == 413
    assert both.ask(b"<a/>", query=known, content_type="application/xml")[0] == 415
    for body in (b"{", b"\xff", b"\0", b"[" * 500 + b"]" * 500, b'{"a": 1e999}'):
        assert both.ask(body, query=known)[0] == 422
    assert len(hooks.runs()) == 2
    ok(hooks.api.http.patch(f"skylift/webhooks/{made['name']}", json={"active": False}))
    assert both.ask(query=known)[0] == 409


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/hooks/x", 405), ("POST", "/other", 404), ("POST", "/hooks/a/b", 404)]
)
def test_what_is_no_delivery_is_told_so(bench: Bench, method: str, path: str, status: int) -> None:
    assert bench.call("trigger", event_of(method, path, b"", {}, {}))["statusCode"] == status


def test_dispatch_has_been_woken_when_the_sender_hears_of_its_run(hooks: Hooks, bench: Bench) -> None:
    hooks.create("bearer")
    headers = {"authorization": "Bearer a-secret-of-some-length"}
    event = event_of("POST", hooks.made["path"], b"{}", headers, {})
    told = bench.call("trigger", event)
    ((verb, body, delay),) = bench.queue.sent  # not flushed by the test
    (run,) = hooks.runs()
    assert (verb, body["pool_id"], delay) == ("dispatch", str(run.work_pool_id), 0)
    assert json.loads(told["body"])["flow_run_id"] == str(run.id)


def test_a_run_whose_wakeup_cannot_be_sent_is_durable_and_so_is_its_answer(hooks: Hooks, bench: Bench) -> None:
    hooks.create("bearer")
    bench.queue.fails = [ConnectionError()]
    event = event_of("POST", hooks.made["path"], b"{}", {}, {"token": "a-secret-of-some-length"})
    assert bench.call("trigger", event)["statusCode"] == 202
    assert hooks.due() == 1  # the timer finds it


def test_a_body_is_taken_byte_for_byte_whichever_way_it_comes(hooks: Hooks, bench: Bench) -> None:
    hooks.create("github")
    body = '{"name":  "Zoë"}'
    signed = hooks.post(body.encode()).request.headers["x-hub-signature-256"]
    event = event_of("POST", hooks.made["path"], b"", {"X-Hub-Signature-256": signed}, {})
    for text, is_encoded in ((body, False), (base64.b64encode(body.encode()).decode(), True)):
        told = bench.call("trigger", event | {"body": text, "isBase64Encoded": is_encoded})
        assert told["statusCode"] == 202, told
    assert len(hooks.runs()) == 1


def test_a_database_that_does_not_answer_is_a_503(hooks: Hooks, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    hooks.create()
    engine = bench.here.parts.store.engine
    monkeypatch.setattr(engine.pool._dialect, "do_ping", lambda *_: False)

    def refuse(*_: Any, **__: Any) -> None:
        from psycopg import OperationalError

        raise OperationalError("connection refused")

    monkeypatch.setattr(engine.dialect, "connect", refuse)
    engine.dispose()
    told = bench.call("trigger", event_of("POST", hooks.made["path"], b"{}", {}, {}))
    assert told["statusCode"] == 503
    assert told["headers"]["Retry-After"]
    assert "refused" not in told["body"]


@pytest.mark.long
@pytest.mark.timeout(300)
def test_fifty_deliveries_complete(world: World) -> None:
    """From POST to Completed by wakeups alone: the timer ticks once, for whatever AWS has lost."""
    world.pool()
    sender = world.webhook()
    world.connect_queues()
    began = time.monotonic()
    runs = {sender.deliver(number) for number in range(50)}
    answered = time.monotonic() - began
    assert len(runs) == 50
    world.ticking(3600, lambda: world.completed() == 50 and not world.leftovers(), 120)
    world.check(50)
    assert set(world.begun()) == runs
    late = sorted(world.functions["dispatch"].metric("DueToLaunch"))
    print(f"50 answered in {answered:.1f} s, Completed after {time.monotonic() - began:.0f} s; {world.invocations()}")
    print(f"due to launch (ms): p50 {late[len(late) // 2]:.0f}, p95 {late[int(len(late) * 0.95)]:.0f}")
    assert sum(world.functions["trigger"].metric("Deliveries")) == 50
