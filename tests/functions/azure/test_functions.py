"""What each function makes of its messages and events: some fail, time runs out, some come twice or early."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import azure.functions as func
import azure.functions.queue as azure_queue
import pytest

from skylift.dispatch import dispatch
from skylift.provider import Launch
from skylift.store.tables import attempts
from skylift_functions.azure import observe, telemetry
from skylift_functions.azure.invocations import MessageFailedError
from skylift_functions.azure.platform import MAX_DELIVERIES
from skylift_functions.loggers import OWN
from tests.functions.azure.bench import Bench, call, due_body
from tests.support.installation import Installation

LOOK = {"verb": "observe", "at": "2026-03-01T12:00:00+00:00"}


@pytest.fixture
def bench(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    place = Installation(postgres_url)
    yield Bench(place, monkeypatch)
    place.close()


@pytest.mark.parametrize("body", ["no JSON", {"verb": "dispatch"}, LOOK])
def test_a_message_that_is_no_wakeup_of_this_queue_fails_and_its_words_are_in_no_error(bench: Bench, body: Any) -> None:
    with pytest.raises(MessageFailedError) as raised:
        bench.wake("dispatch", body)
    assert str(raised.value) in ("MalformedWakeupError", "TypeError")
    assert raised.value.__suppress_context__


def test_the_last_delivery_of_a_message_that_fails_is_counted(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    for count, told in ((MAX_DELIVERIES - 1, []), (MAX_DELIVERIES, [{"PoisonMessages": 1}])):
        made: Any = azure_queue.QueueMessage
        message = made(id="1", body="no JSON", dequeue_count=count)
        with caplog.at_level("INFO"), pytest.raises(MessageFailedError):
            call("dispatch", message)
        assert [each.metrics for each in caplog.records if hasattr(each, "metrics")] == told


def test_the_same_wakeup_again_launches_once(bench: Bench) -> None:
    pool = bench.place.pool()
    run = bench.place.run(bench.place.deployment().id)
    for _ in range(3):
        bench.wake("dispatch", due_body(pool.id))
    assert len(bench.place.cloud.containers) == 1
    assert bench.place.row(run).state_type == "PENDING"


def test_a_wakeup_that_is_early_is_sent_again_for_the_rest_of_its_wait(bench: Bench) -> None:
    pool = bench.place.pool()
    later = datetime.now(UTC) + timedelta(seconds=400)
    bench.place.clock.at = datetime.now(UTC)
    bench.wake("dispatch", due_body(pool.id, later.isoformat()))
    ((verb, body, delay),) = bench.flushed()
    assert verb == "dispatch"
    assert datetime.fromisoformat(body["at"]) == later
    assert 390 < delay <= 400


def test_a_dispatch_without_time_hands_on(bench: Bench) -> None:
    pool = bench.place.pool()
    bench.place.run(bench.place.deployment().id)
    bench.flushed()
    bench.has_left(0)
    bench.wake("dispatch", due_body(pool.id))
    assert not bench.place.rows(attempts)
    ((verb, body, _),) = bench.flushed()
    assert (verb, body["pool_id"]) == ("dispatch", str(pool.id))


def test_what_cannot_be_handed_on_fails_and_comes_again(bench: Bench) -> None:
    pool = bench.place.pool()
    bench.flushed()
    bench.has_left(0)
    bench.storage.fails = [ConnectionError("hunter2")]
    with pytest.raises(MessageFailedError, match="HandOnError"):
        bench.wake("dispatch", due_body(pool.id))


def test_a_dispatch_stops_claiming_in_time_and_hands_the_rest_on(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    pool, deployment = bench.place.pool(), bench.place.deployment()
    for _ in range(20):
        bench.place.run(deployment.id)
    bench.flushed()
    launch = bench.place.cloud.launch

    def slowly(wanted: Launch) -> str:
        time.sleep(0.2)
        return launch(wanted)

    monkeypatch.setattr(bench.place.cloud, "launch", slowly)
    object.__setattr__(bench.place.parts, "settings", bench.place.parts.settings.model_copy(update={"claim_batch": 1}))
    bench.has_left(2)
    bench.wake("dispatch", due_body(pool.id))
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
    bench.wake("observe", LOOK)
    assert {verb for verb, _, _ in bench.flushed()} == {"observe"}
    for container in bench.place.cloud.containers.values():
        container.end(0)
    for seconds in (5, 600):
        bench.place.clock.advance(seconds)
        bench.wake("observe", LOOK)
    bench.flushed()
    assert not bench.place.rows(attempts)
    bench.wake("observe", LOOK)
    assert not bench.flushed()


def test_the_timer_alone_finds_what_wakeups_have_lost(bench: Bench) -> None:
    pool = bench.place.pool()
    bench.place.run(bench.place.deployment().id)
    dispatch(bench.place.parts, pool.id)
    run = bench.place.run(bench.place.deployment().id, after=200)
    bench.flushed()  # and all of it is lost
    bench.restart()
    bench.place.clock.advance(250)
    bench.tick()
    sent = bench.flushed()
    assert ("dispatch", str(pool.id)) in [(verb, body.get("pool_id")) for verb, body, _ in sent]
    assert "observe" in [verb for verb, _, _ in sent]
    assert bench.place.row(run).state_name == "Late"


def test_messages_wait_out_of_sight_and_outlive_their_time_by_an_hour(bench: Bench) -> None:
    soon, _ = bench.place.pool("soon"), bench.place.pool("far")
    bench.place.run(bench.place.deployment("soon", "soon").id, after=290)
    bench.place.run(bench.place.deployment("far", "far").id, after=3600)
    bench.flushed()
    bench.restart()
    bench.tick()
    assert [(body["pool_id"], delay) for _, body, delay in bench.flushed()] == [(str(soon.id), 290)]
    assert bench.storage.lives[-1] == 290 + 3600


def test_event_grids_word_is_heard_by_the_provider_that_it_is_about(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The core's own tests see to what it makes of an event."""
    heard: list[Any] = []
    monkeypatch.setattr(observe, "SPEAKER", bench.place.cloud.type)

    def read_event(event: Any) -> list[Any]:
        heard.append(event)
        return []

    monkeypatch.setattr(bench.place.cloud, "read_event", read_event)
    told: dict[str, object] = {"operationName": "Microsoft.ContainerInstance/containerGroups/stop/action"}
    kind = "Microsoft.Resources.ResourceActionSuccess"
    event = func.EventGridEvent(
        id="1", topic="t", subject="/x", event_type=kind, event_time=None, data=told, data_version="2"
    )
    call("observe_event", event)
    assert heard == [{"eventType": kind, "subject": "/x", "data": told}]


def test_lines_are_json_with_the_messages_id_and_metrics(bench: Bench) -> None:
    lines: list[str] = []

    class Kept(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage())

    known = {name: (logging.getLogger(name).handlers, logging.getLogger(name).propagate) for name in OWN}
    kept = Kept()
    logging.getLogger().addHandler(kept)
    try:
        telemetry.install()
        pool = bench.place.pool()
        bench.place.run(bench.place.deployment().id)
        bench.wake("dispatch", due_body(pool.id))
        logging.getLogger("skylift.elsewhere").warning("Outside of %s", "any")
    finally:
        logging.getLogger().removeHandler(kept)
        for name, (handlers, propagate) in known.items():
            logging.getLogger(name).handlers, logging.getLogger(name).propagate = handlers, propagate
    told = [json.loads(each) for each in lines if each.startswith("{")]
    dispatched, metrics, outside = told[-3:]
    about = {"function": "dispatch", "correlation_id": "of-the-message", "level": "INFO"}
    assert {**dispatched, **about, "claimed": 1, "pool": str(pool.id), "message": "Dispatched"} == dispatched
    assert metrics["metrics"] == {"Launches": 1, "Throttles": 0, "Rejections": 0, "DueToLaunch": [0.0]}
    assert (outside["message"], outside.get("function")) == ("Outside of any", None)
