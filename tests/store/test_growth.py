"""What the engine reads does not depend on what lies in the past: judged by rows, on Postgres with a moderate history.

A missing index, or a condition that no index serves, fails here long before anybody notices it.
"""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

from sqlalchemy import update

from skylift import observe, schedule
from skylift.claim import claim
from skylift.dispatch import dispatch
from skylift.store import due, runs
from skylift.store.filters import select_filtered
from skylift.store.tables import attempts, deployment_schedules
from tests.store.growth import World, check
from tests.support import history
from tests.support.installation import START
from tests.support.plans import explained

CYCLES = 500


def test_a_claim_reads_what_it_claims(world: World) -> None:
    world.make_due(10)
    with explained(world.place.store) as plans:
        made = world.place.store.transaction(claim, world.pool.id, owner=uuid4(), limit=50)
    assert len(made.attempts) == 10
    check(plans, 40)


def test_a_dispatch_reads_what_it_launches(world: World) -> None:
    world.make_due(10)
    with explained(world.place.store) as plans:
        assert dispatch(world.place.parts, world.pool.id).launched == 10
    check(plans, 60)


def test_rows_that_left_cost_little(world: World) -> None:
    """Before any vacuum: the dead rows of the cycles are not read again and again."""
    store = world.place.store

    def claim_ten() -> int:
        world.make_due(10)
        with explained(store) as plans:
            store.transaction(claim, world.pool.id, owner=uuid4(), limit=50)
        return plans.buffers

    before = claim_ten()
    history.run_cycles(store, CYCLES, deployment=world.deployments[0], start=START - timedelta(hours=6))
    claim_ten()  # the first one clears up
    assert claim_ten() < 2 * before


def test_a_tick_reads_the_schedules_that_are_due(world: World) -> None:
    place = world.place
    with place.store.engine.begin() as conn:
        mine = deployment_schedules.c.identity != "filler"
        conn.execute(update(deployment_schedules).where(mine).values(tick_at=place.clock.at, cursor=START))
    with explained(place.store) as plans:
        assert schedule.schedule(place.parts) == 1
    check(plans, 20)


def test_a_look_reads_the_attempts_that_want_one(world: World) -> None:
    place = world.place
    some = list(place.cloud.containers)[:5]
    with place.store.engine.begin() as conn:
        conn.execute(update(attempts).values(look_at=place.clock.at + timedelta(days=1)))
        conn.execute(update(attempts).where(attempts.c.id.in_(some)).values(look_at=place.clock.at))
    for attempt_id in some:
        place.cloud.containers[attempt_id].end(0)
    with explained(place.store) as plans:
        assert observe.observe(place.parts) == 5
    check(plans, 60, "attempts")
    assert not set(some) & set(place.cloud.containers)


def test_the_timer_reads_next_to_nothing(world: World) -> None:
    with explained(world.place.store) as plans, world.place.store.reading() as tx:
        schedule.next_tick(tx)
        observe.next_look(tx)
        due.pools_with_due_runs(tx)
        due.unmarked_late(tx, tx.now - timedelta(seconds=15), 100)
    check(plans, 5, "attempts")


def test_a_page_reads_a_page(world: World) -> None:
    filters = {"flow_runs": {"expected_start_time": {"before_": (START - timedelta(days=1)).isoformat()}}}
    with explained(world.place.store) as plans, world.place.store.reading() as tx:
        rows = tx.all(select_filtered("flow_runs", filters, "EXPECTED_START_TIME_DESC", 20))
        runs.states(tx, [row.state_id for row in rows])
    assert len(rows) == 20
    check(plans, 25)


def test_a_state_that_no_run_is_in_is_not_looked_for(world: World) -> None:
    filters = {"flow_runs": {"state": {"name": {"any_": ["Resuming"]}}}}
    with explained(world.place.store) as plans, world.place.store.reading() as tx:
        assert tx.all(select_filtered("flow_runs", filters, "EXPECTED_START_TIME_DESC", 20)) == []
    check(plans, 0)
