"""What each handler makes of its events: parts of a batch that fail, time that runs out, events twice and too early."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import update

from skylift.dispatch import dispatch
from skylift.provider import Launch
from skylift.store import Tx
from skylift.store.tables import attempts
from tests.functions.aws.bench import Bench, batch, due_body
from tests.functions.aws.world import TICK
from tests.support.installation import Installation


@pytest.fixture
def bench(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    place = Installation(postgres_url)
    yield Bench(place, monkeypatch)
    place.close()


def test_only_what_failed_of_a_batch_comes_again(bench: Bench) -> None:
    pool = bench.place.pool()
    run = bench.place.run(bench.place.deployment().id)
    answer = bench.call("dispatch", batch("no JSON", {"verb": "dispatch"}, due_body(pool.id), {"verb": "observe"}))
    assert [each["itemIdentifier"] for each in answer["batchItemFailures"]] == ["0", "1", "3"]
    assert bench.place.row(run).state_type == "PENDING"


def test_a_batch_of_which_all_failed_is_answered_too(bench: Bench) -> None:
    answer = bench.call("dispatch", batch("no JSON"))
    assert answer == {"batchItemFailures": [{"itemIdentifier": "0"}]}


def test_the_same_wakeup_twice_in_a_batch_and_again_later_launches_once(bench: Bench) -> None:
    pool = bench.place.pool()
    run = bench.place.run(bench.place.deployment().id)
    for _ in range(2):
        assert bench.call("dispatch", batch(due_body(pool.id), due_body(pool.id))) == {"batchItemFailures": []}
    assert len(bench.place.cloud.containers) == 1
    assert bench.place.row(run).state_type == "PENDING"


def test_a_wakeup_that_is_early_is_sent_again_for_the_rest_of_its_wait(bench: Bench) -> None:
    pool = bench.place.pool()
    later = datetime.now(UTC) + timedelta(seconds=400)
    bench.place.clock.at = datetime.now(UTC)
    assert bench.call("dispatch", batch(due_body(pool.id, later.isoformat()))) == {"batchItemFailures": []}
    ((verb, body, delay),) = bench.flushed()
    assert verb == "dispatch"
    assert datetime.fromisoformat(body["at"]) == later
    assert 390 < delay <= 400


def test_a_dispatch_without_time_hands_on_all_of_its_batch(bench: Bench) -> None:
    pool = bench.place.pool()
    bench.place.run(bench.place.deployment().id)
    bench.flushed()
    assert bench.call("dispatch", batch(due_body(pool.id)), left=0) == {"batchItemFailures": []}
    assert not bench.place.rows(attempts)
    ((verb, body, _),) = bench.flushed()
    assert (verb, body["pool_id"]) == ("dispatch", str(pool.id))


def test_what_cannot_be_handed_on_comes_again_as_a_message_that_failed(bench: Bench) -> None:
    pool = bench.place.pool()
    bench.flushed()
    bench.queue.fails = [ConnectionError()]
    answer = bench.call("dispatch", batch(due_body(pool.id)), left=0)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "0"}]}


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
    assert bench.call("dispatch", batch(due_body(pool.id)), left=2) == {"batchItemFailures": []}
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
    assert bench.call("observe", batch(look, look)) == {"batchItemFailures": []}
    assert {verb for verb, _, _ in bench.flushed()} == {"observe"}
    for container in bench.place.cloud.containers.values():
        container.end(0)
    bench.place.clock.advance(5)
    bench.call("observe", batch(look))
    bench.place.clock.advance(600)
    bench.call("observe", batch(look))
    bench.flushed()
    assert not bench.place.rows(attempts)
    bench.call("observe", batch(look))
    assert not bench.flushed()


def test_the_timer_alone_finds_what_wakeups_and_events_have_lost(bench: Bench) -> None:
    pool = bench.place.pool()
    bench.place.run(bench.place.deployment().id)
    dispatch(bench.place.parts, pool.id)
    run = bench.place.run(bench.place.deployment().id, after=200)
    bench.flushed()  # and all of it is lost
    bench.restart()
    bench.place.clock.advance(250)
    bench.call("schedule", TICK)
    sent = bench.flushed()
    assert ("dispatch", str(pool.id)) in [(verb, body.get("pool_id")) for verb, body, _ in sent]
    assert "observe" in [verb for verb, _, _ in sent]
    assert bench.place.row(run).state_name == "Late"


def test_the_timer_sends_wakeups_for_what_is_due_before_its_next_tick(bench: Bench) -> None:
    soon, far = bench.place.pool("soon"), bench.place.pool("far")
    bench.place.run(bench.place.deployment("soon", "soon").id, after=290)
    bench.place.run(bench.place.deployment("far", "far").id, after=3600)
    bench.flushed()
    bench.restart()
    bench.call("schedule", TICK)
    assert [(body["pool_id"], delay) for _, body, delay in bench.flushed()] == [(str(soon.id), 290)]
    assert far


@pytest.mark.parametrize("event", [{}, {"source": "aws.ecs", "detail": []}, {"source": "aws.s3", "detail": {}}])
def test_events_about_something_else_are_left_alone(bench: Bench, event: dict[str, Any]) -> None:
    assert bench.call("observe", event) is None


def test_an_observer_that_died_after_taking_is_followed_by_the_timer(bench: Bench) -> None:
    pool = bench.place.pool()
    bench.place.run(bench.place.deployment().id)
    dispatch(bench.place.parts, pool.id)

    def overdue(tx: Tx) -> None:
        tx.run(update(attempts).values(look_at=tx.now - timedelta(minutes=2)))

    bench.place.store.transaction(overdue)
    bench.flushed()
    bench.call("schedule", TICK)
    assert "observe" in [verb for verb, _, _ in bench.flushed()]
