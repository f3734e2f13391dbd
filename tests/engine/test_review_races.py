"""Verbs against verbs, stepped through every interleaving on every kind of database."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import update

from skylift import schedule
from skylift.claim import claim
from skylift.models.flows import DeploymentUpdate, ScheduleCreate
from skylift.models.schedules import IntervalSchedule
from skylift.store import Tx, deployments, due
from skylift.store.tables import deployment_schedules, flow_runs, work_pools
from skylift.store.tables import due as due_table
from skylift.wakeups import Dispatch, Wakeup
from skylift_functions.coalescing import OncePerPool
from tests.support.installation import Installation
from tests.support.interleave import explore


@pytest.fixture
def place(raced_place: Installation) -> Installation:
    return raced_place


HOURLY = ScheduleCreate(schedule=IntervalSchedule(interval=timedelta(hours=1)), slug="hourly")


@pytest.mark.timeout(300)
@pytest.mark.parametrize("change", ["pause", "remove", "parameters"])
def test_a_tick_against_a_change_of_its_deployment(place: Installation, change: str) -> None:
    """Whoever is first: of a deployment that is off nothing stays planned, and nothing with its old parameters."""
    place.pool()
    deployment = place.deployment(schedules=[HOURLY])
    wanted = {
        "pause": DeploymentUpdate(paused=True),
        "remove": DeploymentUpdate(schedules=[]),
        "parameters": DeploymentUpdate(parameters={"x": 2}),
    }[change]

    def prepare() -> None:
        def work(tx: Tx) -> None:
            row = deployments.lock(tx, deployment.id)
            deployments.update_deployment(tx, row.id, DeploymentUpdate(paused=False, parameters={"x": 1}))
            deployments.sync_schedules(tx, deployments.by_id(tx, row.id), [HOURLY])
            again = update(deployment_schedules).where(deployment_schedules.c.deployment_id == row.id)
            tx.run(again.values(cursor=tx.now, tick_at=tx.now))

        place.store.transaction(work)

    def tick() -> None:
        rows = place.rows(deployment_schedules)
        for row in rows:
            place.store.transaction(schedule.continue_ledgers, [row.id], catchup=timedelta(hours=1))

    def check(_results: list[Any]) -> None:
        if change == "parameters":
            schedule.schedule(place.parts)
            assert {row.parameters["x"] for row in place.rows(flow_runs)} == {2}
        else:
            assert not place.rows(flow_runs)

    works = [tick, lambda: place.store.transaction(deployments.update_deployment, deployment.id, wanted)]
    assert explore(place.store, works, prepare, check, tables=("schedule_slots",)) >= 2


@pytest.mark.long
@pytest.mark.timeout(600)
def test_what_becomes_due_beside_a_dispatch_is_never_without_a_wakeup(place: Installation) -> None:
    """The dispatch takes the planned wakeup for its own: a run that it did not see must bring another."""
    pool = place.pool()
    deployment = place.deployment()
    sent: list[Wakeup] = []

    class Noted:
        def send(self, wakeup: Wakeup, at: datetime) -> None:
            sent.append(wakeup)

    place.store.wakeups = OncePerPool(place.store, Noted())
    waiting: dict[str, Any] = {}

    def prepare() -> None:
        place.run(deployment.id)
        waiting.update(place.rows(due_table)[0]._mapping)
        place.store.transaction(due.remove, [waiting["flow_run_id"]])
        place.store.transaction(_plan, pool.id)
        sent.clear()

    def dispatched() -> None:
        """As far as the store is concerned."""
        place.store.transaction(due.take_wakeup, pool.id)
        place.store.transaction(claim, pool.id, owner=uuid4(), limit=10)

    def check(_results: list[Any]) -> None:
        assert not place.rows(due_table) or Dispatch(pool.id) in sent

    works = [lambda: place.store.transaction(due.add, [dict(waiting)]), dispatched]
    assert explore(place.store, works, prepare, check, tables=("work_pools",)) >= 4


def _plan(tx: Tx, pool_id: UUID) -> None:
    tx.run(update(work_pools).where(work_pools.c.id == pool_id).values(wakeup_at=tx.now))


def test_a_deployment_that_got_room_is_dispatched_at_once(place: Installation) -> None:
    pool = place.pool()
    deployment = place.deployment(concurrency_limit=0)
    place.run(deployment.id)
    place.store.transaction(claim, pool.id, owner=uuid4(), limit=10)
    sent: list[Wakeup] = []

    class Noted:
        def send(self, wakeup: Wakeup, at: datetime) -> None:
            sent.append(wakeup)

    place.store.wakeups = Noted()
    place.store.transaction(deployments.update_deployment, deployment.id, DeploymentUpdate(concurrency_limit=1))
    assert Dispatch(pool.id) in sent


def test_two_requests_with_one_idempotency_key_get_one_run(place: Installation) -> None:
    place.pool()
    deployment = place.deployment()
    got: list[UUID] = []

    def prepare() -> None:
        got.clear()

    def check(_results: list[Any]) -> None:
        assert [row.id for row in place.rows(flow_runs)] == [got[0]] == [got[1]]

    def ask() -> None:
        got.append(place.run(deployment.id, idempotency_key="once"))

    assert explore(place.store, [ask, ask], prepare, check, tables=("flow_runs",)) >= 2
