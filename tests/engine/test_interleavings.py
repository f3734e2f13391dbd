"""Two claimers, stepped statement by statement through every interleaving, on every kind of database.

A sequential test cannot see a race; this one sees them all, as far as two transactions go.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import chain
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import update

from skylift.claim import claim
from skylift.models.states import StateCreate, StateType
from skylift.store import Tx, proposals
from skylift.store.tables import (
    attempts,
    due,
    flow_runs,
)
from skylift.transitions import Author
from tests.support.installation import Installation
from tests.support.interleave import explore


@pytest.fixture
def place(raced_place: Installation) -> Installation:
    return raced_place


def claimer(place: Installation, pool_id: UUID) -> Callable[[], list[UUID]]:
    return lambda: place.store.transaction(claim, pool_id, owner=uuid4(), limit=10).attempts


def test_two_claimers_of_one_pool(place: Installation) -> None:
    """Limit 2, three runs due: two attempts between the two of them, of two runs, whoever is first."""
    pool = place.pool(concurrency_limit=2)
    deployment = place.deployment()

    def prepare() -> None:
        for _ in range(3):
            place.run(deployment.id)

    def check(results: list[list[UUID]]) -> None:
        live = place.rows(attempts)
        assert sorted(row.id for row in live) == sorted(chain(*results))
        assert len(live) == len({row.flow_run_id for row in live}) == 2
        assert len(place.rows(due)) == 1

    works = [claimer(place, pool.id), claimer(place, pool.id)]
    shared = ("work_pools", "work_queues", "deployments", "attempts", "due", "flow_runs")
    assert explore(place.store, works, prepare, check, tables=shared) >= 2


@pytest.mark.timeout(300)
def test_two_pools_share_a_limited_deployment(place: Installation) -> None:
    """The deployment has room for one, and a run in each pool: one of the claimers gets it."""
    pools = [place.pool("a"), place.pool("b")]
    deployment = place.deployment(pool="a", concurrency_limit=1)

    def prepare() -> None:
        place.run(deployment.id)
        other = place.run(deployment.id)

        def move(tx: Tx) -> None:
            to = {"work_pool_id": pools[1].id, "work_queue_id": pools[1].default_queue_id}
            tx.run(update(flow_runs).where(flow_runs.c.id == other).values(to))
            tx.run(update(due).where(due.c.flow_run_id == other).values(to))

        place.store.transaction(move)

    def check(results: list[list[UUID]]) -> None:
        assert sorted(len(each) for each in results) == [0, 1]
        assert len(place.rows(attempts)) == 1
        assert len(place.rows(due)) == 1

    works = [claimer(place, pool.id) for pool in pools]
    assert explore(place.store, works, prepare, check, tables=("deployments", "attempts")) >= 2


@pytest.mark.timeout(300)
def test_a_claim_against_a_cancellation(place: Installation) -> None:
    """Either the run is cancelled before it is claimed, or its attempt is told to stop; never neither."""
    pool = place.pool()
    deployment = place.deployment()
    run: list[UUID] = []

    def prepare() -> None:
        run[:] = [place.run(deployment.id)]

    def cancel() -> str:
        wanted = StateCreate(type=StateType.CANCELLING)
        place.store.transaction(proposals.propose, run[0], wanted, Author.PERSON)
        return "asked"

    seen: Counter[str] = Counter()

    def check(_results: list[Any]) -> None:
        state, live = place.row(run[0]).state_type, place.rows(attempts)
        seen[state] += 1
        if state == "CANCELLED":
            assert not live
        else:
            assert state == "CANCELLING"
            assert [row.stop for row in live] == ["cancelled"]
        assert not place.rows(due)

    explore(place.store, [claimer(place, pool.id), cancel], prepare, check, tables=("flow_runs", "attempts", "due"))
    assert set(seen) == {"CANCELLED", "CANCELLING"}
