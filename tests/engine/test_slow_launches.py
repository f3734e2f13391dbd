"""Launches that take their time hold up nothing but themselves."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from skylift import dispatch
from skylift.claim import claim
from skylift.freezing import freeze_all
from skylift.launching import Launches, Report
from skylift.provider import Launch
from skylift.store import attempts
from skylift.store.tables import attempts as attempts_table
from tests.support.installation import Installation

PATIENCE = 30.0


@contextmanager
def held_launches(place: Installation, *runs: UUID) -> Iterator[dict[UUID, threading.Event]]:
    """The launches of these runs take until their event is set; the others are quick."""
    events = {run: threading.Event() for run in runs}
    real = place.cloud.launch

    def launch(launch: Launch) -> str:
        if launch.flow_run_id in events:
            events[launch.flow_run_id].wait(PATIENCE)
        return real(launch)

    place.cloud.launch = launch  # type: ignore[method-assign]
    try:
        yield events
    finally:
        for event in events.values():
            event.set()


def until_started(place: Installation, run: UUID) -> None:
    limit = time.monotonic() + PATIENCE
    while not any(each.launch.flow_run_id == run for each in [*place.cloud.containers.values()]):
        assert time.monotonic() < limit
        time.sleep(0.005)


def test_what_comes_due_meanwhile_does_not_wait(place: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "BREATH", 0.01)
    place.parts = replace(place.parts, settings=place.parts.settings.model_copy(update={"launch_threads": 4}))
    pool, deployment = place.pool(), place.deployment()
    slow = place.run(deployment.id)
    with held_launches(place, slow) as events, ThreadPoolExecutor(1) as thread:
        dispatching = thread.submit(dispatch.dispatch, place.parts, pool.id)
        late = place.run(deployment.id)
        until_started(place, late)
        assert not dispatching.done()
        events[slow].set()
        report = dispatching.result(PATIENCE)
    assert (report.claimed, report.launched) == (2, 2)


def test_no_more_are_claimed_than_threads_and_a_batch_can_hold(place: Installation) -> None:
    settings = place.parts.settings.model_copy(update={"launch_threads": 2, "claim_batch": 5})
    place.parts = replace(place.parts, settings=settings)
    pool, deployment = place.pool(), place.deployment()
    runs = [place.run(deployment.id) for _ in range(12)]
    with held_launches(place, *runs) as events, ThreadPoolExecutor(1) as thread:
        dispatching = thread.submit(dispatch.dispatch, place.parts, pool.id)
        limit = time.monotonic() + PATIENCE
        while len(place.rows(attempts_table)) < 5 and time.monotonic() < limit:
            time.sleep(0.005)
        assert len(place.rows(attempts_table)) == 5
        for event in events.values():
            event.set()
        assert dispatching.result(PATIENCE).launched == 12


def test_who_waits_for_a_thread_keeps_its_lease(place: Installation) -> None:
    pool, deployment = place.pool(), place.deployment()
    runs = [place.run(deployment.id) for _ in range(3)]
    owner, report = uuid4(), Report()
    claimed = place.store.transaction(claim, pool.id, owner=owner, limit=10)
    ready = freeze_all(place.parts, claimed.attempts, owner, report)
    soon_over = time.monotonic() + 1
    ready = [replace(each, launch=replace(each.launch, send_before=soon_over)) for each in ready]
    with held_launches(place, *runs) as events, ThreadPoolExecutor(1) as threads:
        launches = Launches(place.parts, threads)
        launches.begin(ready)
        place.clock.advance(50)
        given_up = ready[2].launch.attempt_id
        place.store.transaction(attempts.stop_where, attempts_table.c.id == given_up, attempts.CANCELLED, "enough")
        launches.renew()
        waiting = [each for each in launches.calls.values() if each.launch.send_before > soon_over]
        assert [each.launch.attempt_id for each in waiting] == [ready[1].launch.attempt_id]
        with place.store.reading() as tx:
            renewed = attempts.by_id(tx, ready[1].launch.attempt_id)
            under_way = attempts.by_id(tx, ready[0].launch.attempt_id)
        assert renewed
        assert under_way
        assert renewed.lease_until == place.clock.at + timedelta(seconds=60)
        assert under_way.lease_until == place.clock.at + timedelta(seconds=10), "it may be on its way already"
        launches.renew()
        assert len(launches) == 2
        for event in events.values():
            event.set()
        while launches:
            assert launches.settle(report, PATIENCE)
    assert report.launched == 2
