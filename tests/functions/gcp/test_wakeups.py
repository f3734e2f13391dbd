"""Cloud Tasks as a delay queue, through the real SDK: never raises, and one task stands for many."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from skylift.wakeups import Dispatch, Observe
from skylift_cloud_run.credentials import ENDPOINT
from skylift_functions.gcp import sdk
from skylift_functions.gcp.wakeups import Target, TasksWakeups
from tests.clouds.google_tasks import QUEUES, LocalGoogleCloud

POOL = Dispatch(UUID(int=7))
QUEUE = "projects/acme/locations/europe-west1/queues/{}"
TARGETS = {
    verb: Target(QUEUE.format(verb), f"http://127.0.0.1:1/{verb}", "invoker@acme.iam.gserviceaccount.com", 120)
    for verb in ("dispatch", "observe", "schedule")
}


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalGoogleCloud]:
    with LocalGoogleCloud() as made:
        monkeypatch.setitem(os.environ, ENDPOINT, made.url)
        sdk._tasks.cache_clear()
        for each in TARGETS.values():
            made.tasks.add_queue(each.queue, min_backoff=60.0, max_backoff=60.0)
        yield made
    sdk._tasks.cache_clear()


def tasks_of(cloud: LocalGoogleCloud) -> list[Any]:
    return [call.body["body"]["task"] for call in cloud.journal.calls(f"{QUEUES}.tasks.create")]


def test_a_wakeup_becomes_a_task_at_its_very_instant(cloud: LocalGoogleCloud) -> None:
    wakeups, at = TasksWakeups(TARGETS), datetime.now(UTC) + timedelta(seconds=100.25)
    wakeups.send(POOL, at)
    assert wakeups.flush()
    (task,) = tasks_of(cloud)
    assert datetime.fromisoformat(task["scheduleTime"]) == at
    assert task["httpRequest"]["url"] == "http://127.0.0.1:1/dispatch"
    assert task["httpRequest"]["oidcToken"] == {
        "serviceAccountEmail": "invoker@acme.iam.gserviceaccount.com",
        "audience": "http://127.0.0.1:1/dispatch",
    }
    assert task["dispatchDeadline"] == "120s"


def test_what_several_processes_want_at_the_same_time_is_one_task(cloud: LocalGoogleCloud) -> None:
    at = datetime.now(UTC) + timedelta(seconds=100)
    for _ in range(3):
        wakeups = TasksWakeups(TARGETS)
        wakeups.send(Observe(), at)
        wakeups.send(POOL, at)
        assert wakeups.flush()
    assert cloud.tasks.waiting == 2


def test_what_is_due_is_a_task_each_time(cloud: LocalGoogleCloud) -> None:
    for _ in range(2):
        wakeups = TasksWakeups(TARGETS)
        wakeups.send(POOL, datetime.now(UTC))
        assert wakeups.flush()
    assert all("name" not in task for task in tasks_of(cloud))
    assert len(tasks_of(cloud)) == 2


def test_what_is_further_ahead_is_left_to_the_timer(cloud: LocalGoogleCloud) -> None:
    wakeups = TasksWakeups(TARGETS)
    wakeups.send(POOL, datetime.now(UTC) + timedelta(seconds=905))
    assert wakeups.flush()
    assert not tasks_of(cloud)


def test_a_refusal_is_told_in_googles_word(cloud: LocalGoogleCloud, caplog: pytest.LogCaptureFixture) -> None:
    cloud.tasks.queues.clear()
    wakeups = TasksWakeups(TARGETS)
    for seconds in (10, 20):
        wakeups.send(POOL, datetime.now(UTC) + timedelta(seconds=seconds))
    assert not wakeups.flush()
    assert "NOT_FOUND" in caplog.text
    assert wakeups.flush()
