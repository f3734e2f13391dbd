"""What each handler makes of its requests: malformed ones, time that runs out, the same twice and too early."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from skylift.dispatch import dispatch
from skylift.provider import Launch
from skylift.store.tables import attempts
from skylift.wakeups import Dispatch
from skylift_functions.gcp.telemetry import Lines
from tests.functions.gcp.bench import Bench, delay_of, due_body
from tests.support.installation import Installation


@pytest.fixture
def bench(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    place = Installation(postgres_url)
    yield Bench(place, monkeypatch)
    place.close()


@pytest.mark.parametrize(
    ("verb", "body"),
    [
        ("dispatch", b"no JSON"),
        ("dispatch", b"\xff"),
        ("dispatch", b""),
        ("dispatch", {"verb": "observe", "at": "2026-03-01T12:00:00+00:00"}),
        ("observe", b"[]"),
        ("observe", {"verb": "dispatch"}),
        ("schedule", {"verb": "observe", "at": "2026-03-01T12:00:00+00:00"}),
    ],
)
def test_what_is_no_wakeup_of_the_function_is_refused(bench: Bench, verb: str, body: Any) -> None:
    assert bench.call(verb, body).status_code == 400


def test_the_same_wakeup_twice_launches_once(bench: Bench) -> None:
    pool = bench.place.pool()
    run = bench.place.run(bench.place.deployment().id)
    for _ in range(2):
        assert bench.call("dispatch", due_body(pool.id)).status_code == 204
    assert len(bench.place.cloud.containers) == 1
    assert bench.place.row(run).state_type == "PENDING"


def test_a_wakeup_that_is_early_is_sent_again_under_another_name(bench: Bench) -> None:
    pool = bench.place.pool()
    later = datetime.now(UTC) + timedelta(seconds=400)
    bench.place.clock.at = datetime.now(UTC)
    bench.here.wakeups.send(Dispatch(pool.id), later)
    ((_, _, first),) = bench.flushed()
    bench.restart()
    assert bench.call("dispatch", due_body(pool.id, later.isoformat())).status_code == 204
    ((verb, body, task),) = bench.flushed()
    assert verb == "dispatch"
    assert abs(datetime.fromisoformat(body["at"]) - later) < timedelta(milliseconds=1)
    assert 390 < delay_of(task, bench.place.clock.at) <= 400.1
    assert task["name"] != first["name"]


def test_a_dispatch_without_time_hands_on(bench: Bench) -> None:
    pool = bench.place.pool()
    bench.place.run(bench.place.deployment().id)
    bench.flushed()
    assert bench.call("dispatch", due_body(pool.id), left=0).status_code == 204
    assert not bench.place.rows(attempts)
    ((verb, body, _),) = bench.flushed()
    assert (verb, body["pool_id"]) == ("dispatch", str(pool.id))


def test_what_cannot_be_handed_on_comes_again_as_a_request_that_failed(bench: Bench) -> None:
    pool = bench.place.pool()
    bench.flushed()
    bench.client.fails = [ConnectionError()]
    assert bench.call("dispatch", due_body(pool.id), left=0).status_code == 500


def test_a_dispatch_stops_claiming_in_time_and_hands_the_rest_on(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    pool = bench.place.pool()
    deployment = bench.place.deployment()
    for _ in range(20):
        bench.place.run(deployment.id)
    bench.flushed()
    slow, launch = 0.2, bench.place.cloud.launch

    def slowly(wanted: Launch) -> str:
        time.sleep(slow)
        return launch(wanted)

    monkeypatch.setattr(bench.place.cloud, "launch", slowly)
    object.__setattr__(bench.place.parts, "settings", bench.place.parts.settings.model_copy(update={"claim_batch": 1}))
    began = time.monotonic()
    assert bench.call("dispatch", due_body(pool.id), left=2).status_code == 204
    assert time.monotonic() - began < 2
    launched = len(bench.place.cloud.containers)
    assert 0 < launched < 20
    assert len(bench.place.rows(attempts)) == launched  # nothing was claimed and left
    assert ("dispatch", str(pool.id)) in [(verb, body.get("pool_id")) for verb, body, _ in bench.flushed()]


def test_observe_arms_itself_again_while_attempts_live(bench: Bench) -> None:
    pool = bench.place.pool()
    bench.place.run(bench.place.deployment().id)
    dispatch(bench.place.parts, pool.id)
    bench.place.clock.advance(5)
    bench.flushed()
    look = {"verb": "observe", "at": "2026-03-01T12:00:00+00:00"}
    assert bench.call("observe", look).status_code == 204
    assert {verb for verb, _, _ in bench.flushed()} == {"observe"}
    for container in bench.place.cloud.containers.values():
        container.end(0)
    bench.place.clock.advance(5)
    bench.call("observe", look)
    bench.place.clock.advance(600)
    bench.call("observe", look)
    bench.flushed()
    assert not bench.place.rows(attempts)
    bench.call("observe", look)
    assert not bench.flushed()


def test_the_timer_alone_finds_what_wakeups_and_events_have_lost(bench: Bench) -> None:
    pool = bench.place.pool()
    bench.place.run(bench.place.deployment().id)
    dispatch(bench.place.parts, pool.id)
    run = bench.place.run(bench.place.deployment().id, after=200)
    bench.flushed()  # and all of it is lost
    bench.restart()
    bench.place.clock.advance(250)
    assert bench.call("schedule").status_code == 204
    sent = bench.flushed()
    assert ("dispatch", str(pool.id)) in [(verb, body.get("pool_id")) for verb, body, _ in sent]
    assert "observe" in [verb for verb, _, _ in sent]
    assert bench.place.row(run).state_name == "Late"


def test_a_wakeup_of_schedule_continues_the_ledgers(bench: Bench) -> None:
    bench.place.pool()
    bench.place.deployment(schedules=[{"schedule": {"interval": 60}}])
    at = {"verb": "schedule", "at": "2026-03-01T12:00:00+00:00"}
    assert bench.call("schedule", at).status_code == 204
    assert bench.place.states()


@pytest.mark.parametrize(
    "event", [{"message": {"data": "!"}}, {"message": []}, {"protoPayload": 7}, {"data": {"message": {"data": "e30="}}}]
)
def test_events_about_something_else_are_left_alone(bench: Bench, event: dict[str, Any]) -> None:
    assert bench.call("observe", event).status_code == 204


def test_an_error_is_told_without_its_words(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    secret = "hunter2"

    def fail(*_: object, **__: object) -> None:
        raise ValueError(secret)

    monkeypatch.setattr("skylift_functions.gcp.dispatch.dispatch", fail)
    answer = bench.call("dispatch", due_body(bench.place.pool().id))
    assert answer.status_code == 500
    assert secret not in answer.get_data(as_text=True)
    line = json.loads(Lines().format(caplog.records[-1]))
    assert (line["severity"], line["function"]) == ("ERROR", "dispatch")
    assert "ValueError" in line["message"]
    assert secret not in line["message"]
