"""Wakeups of a pool, of which one is under way at a time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import pytest

from skylift.dispatch import dispatch
from skylift.observe import observe
from skylift.store.tables import work_pools
from skylift.wakeups import Dispatch, Observe, Wakeup
from skylift_functions.coalescing import OncePerPool
from skylift_functions.delay_queue import LONGEST
from tests.support.installation import Installation


class Woken:
    """An installation whose wakeups go through what is tested into a list."""

    def __init__(self, url: str) -> None:
        self.place = Installation(url)
        self.sent: list[tuple[Wakeup, datetime]] = []
        self.wakeups = OncePerPool(self.place.store, self)
        self.pool: UUID = self.place.pool(concurrency_limit=3).id

    def send(self, wakeup: Wakeup, at: datetime) -> None:
        self.sent.append((wakeup, at))

    def after(self, *seconds: float) -> list[float]:
        """Ask for wakeups so many seconds from now; says which were sent meanwhile."""
        self.sent.clear()
        for each in seconds:
            self.wakeups.send(Dispatch(self.pool), self.place.clock.at + timedelta(seconds=each))
        return [(at - self.place.clock.at).total_seconds() for _, at in self.sent]


@pytest.fixture
def woken(store_url: str) -> Iterator[Woken]:
    made = Woken(store_url)
    yield made
    made.place.close()


def test_one_that_comes_by_then_is_enough(woken: Woken) -> None:
    assert woken.after(60, 60, 90, 30, 60, 0, 0) == [60, 30, 0]


def test_those_of_other_pools_and_other_verbs_go_by_themselves(woken: Woken) -> None:
    other = woken.place.pool("other").id
    woken.after(0)
    woken.sent.clear()
    for wakeup in (Dispatch(other), Observe(), Observe()):
        woken.wakeups.send(wakeup, woken.place.clock.at)
    assert [each for each, _ in woken.sent] == [Dispatch(other), Observe(), Observe()]


def test_a_dispatch_makes_room_for_the_next_one(woken: Woken) -> None:
    assert woken.after(0, 0) == [0]
    dispatch(woken.place.parts, woken.pool)
    assert woken.after(0, 0) == [0]


def test_a_dispatch_that_came_early_leaves_the_one_that_is_still_to_come(woken: Woken) -> None:
    assert woken.after(60) == [60]
    dispatch(woken.place.parts, woken.pool)
    assert woken.after(60) == []


def test_one_that_was_lost_holds_others_back_for_a_moment_only(woken: Woken) -> None:
    assert woken.after(0) == [0]
    woken.place.clock.advance(29)
    assert woken.after(0) == []
    woken.place.clock.advance(2)
    assert woken.after(0, 0) == [0]


def test_what_the_queue_leaves_to_the_timer_is_not_noted(woken: Woken) -> None:
    far = LONGEST.total_seconds() + 1
    assert woken.after(far) == [far]
    assert [row.wakeup_at for row in woken.place.rows(work_pools)] == [None]


def test_a_pool_that_is_gone(woken: Woken) -> None:
    woken.wakeups.send(Dispatch(uuid4()), woken.place.clock.at)
    assert woken.sent == []


def test_without_its_database_one_too_many_is_sent(woken: Woken, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise OSError("no route to hunter2")

    assert woken.after(0) == [0]
    monkeypatch.setattr(woken.place.store, "reading", broken)
    assert woken.after(0, 0) == [0, 0]


def test_many_freed_slots_are_one_wakeup(woken: Woken) -> None:
    place = woken.place
    deployment = place.deployment()
    for _ in range(6):
        place.run(deployment.id)
    assert dispatch(place.parts, woken.pool).launched == 3
    place.store.wakeups = woken.wakeups
    for container in place.cloud.containers.values():
        container.end(0)
    place.clock.advance(60)
    observe(place.parts)
    assert [wakeup for wakeup, _ in woken.sent if isinstance(wakeup, Dispatch)] == [Dispatch(woken.pool)]
    assert dispatch(place.parts, woken.pool).launched == 3
