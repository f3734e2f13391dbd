"""SQS as a delay queue: never raises, returns at once, and one message stands for many."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from skylift.wakeups import Dispatch, Observe, Schedule, Wakeup
from skylift_functions.aws.wakeups import SqsWakeups
from skylift_functions.messages import MalformedWakeupError, from_text, to_text
from tests.functions.aws.bench import Queue

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
POOL = Dispatch(UUID(int=7))
QUEUES = {verb: verb for verb in ("dispatch", "observe", "schedule")}


def wakeups(queue: Queue) -> SqsWakeups:
    return SqsWakeups(QUEUES, sqs=lambda: queue, now=lambda: NOW)


@pytest.mark.parametrize("wakeup", [POOL, Observe(), Schedule()])
def test_a_wakeup_survives_the_queue(wakeup: Wakeup) -> None:
    assert from_text(to_text(wakeup, NOW)) == (wakeup, NOW)


@pytest.mark.parametrize(
    "body",
    [
        "",
        "[]",
        "7",
        '{"verb": "observe"}',
        '{"verb": "observe", "at": "2026-03-01"}',
        '{"verb": "other", "at": "2026-03-01T12:00:00+00:00"}',
        '{"verb": "dispatch", "pool_id": 7, "at": "2026-03-01T12:00:00+00:00"}',
    ],
)
def test_what_is_no_wakeup_is_refused(body: str) -> None:
    with pytest.raises(MalformedWakeupError):
        from_text(body)


@pytest.mark.parametrize(("ahead", "delay"), [(-60, 0), (0, 0), (0.9, 0), (1, 1), (61.7, 61), (900, 900)])
def test_the_delay_is_in_whole_seconds_and_rather_short(ahead: float, delay: int) -> None:
    queue = Queue()
    made = wakeups(queue)
    made.send(POOL, NOW + timedelta(seconds=ahead))
    assert made.flush()
    assert [sent[2] for sent in queue.sent] == [delay]


def test_what_is_further_ahead_than_sqs_can_wait_is_left_to_the_timer() -> None:
    queue = Queue()
    made = wakeups(queue)
    made.send(POOL, NOW + timedelta(seconds=901))
    assert made.flush()
    assert not queue.sent


def test_of_many_that_can_stand_for_each_other_one_is_sent() -> None:
    queue = Queue()
    made = wakeups(queue)
    for tenth in range(20, 50):
        made.send(Observe(), NOW + timedelta(seconds=tenth / 10))
    made.send(POOL, NOW + timedelta(seconds=30))
    made.flush()
    made.send(POOL, NOW + timedelta(seconds=30))
    made.flush()
    assert sorted((verb, delay) for verb, _, delay in queue.sent) == [("dispatch", 30), ("observe", 5)]


def test_one_that_may_have_been_delivered_stands_for_no_later_one() -> None:
    queue = Queue()
    made = wakeups(queue)
    for _ in range(2):
        made.send(POOL, NOW)
        made.flush()
    assert len(queue.sent) == 2


def test_one_that_came_too_early_is_sent_again_although_it_is_planned() -> None:
    """Queues count in whole seconds: a message may come a second or two before its time, to whoever has sent it."""
    queue = Queue()
    made = wakeups(queue)
    made.send(Observe(), NOW + timedelta(seconds=5))
    made.flush()
    made.send_again(Observe(), NOW + timedelta(seconds=5))
    made.flush()
    assert [delay for _, _, delay in queue.sent] == [5, 5]


def test_sending_neither_raises_nor_waits() -> None:
    let_go = threading.Event()

    class Slow(Queue):
        def send_message_batch(self, **asked: Any) -> dict[str, Any]:
            let_go.wait(10)
            return super().send_message_batch(**asked)

    queue = Slow(fails=[ConnectionError("hunter2")])
    made = wakeups(queue)
    made.send(POOL, NOW)
    assert not made.flush(0.01)
    let_go.set()
    assert not made.flush()
    made.send(POOL, NOW)
    assert made.flush()


def test_where_no_thread_can_be_started_flushing_sends(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    queue = Queue()
    made = wakeups(queue)
    monkeypatch.setattr(threading.Thread, "start", refuse)
    made.send(POOL, NOW)
    assert made.flush()
    assert len(queue.sent) == 1


def test_a_failure_is_told_without_the_sdks_words(caplog: pytest.LogCaptureFixture) -> None:
    caplog.handler.setLevel("ERROR")
    queue = Queue(fails=[ConnectionError("hunter2")])
    made = wakeups(queue)
    made.send(POOL, NOW)
    assert not made.flush()
    assert "hunter2" not in caplog.text
