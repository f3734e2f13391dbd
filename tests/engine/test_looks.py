"""Looks at attempts that go on: many in one transaction, and none of them mistaken for one that needs more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from uuid import UUID

from skylift import observe
from skylift.dispatch import dispatch
from skylift.models.pools import PoolSettings
from skylift.provider import Observation, Watched
from skylift.store import attempts
from skylift.store.tables import attempts as attempts_table
from tests.support.installation import Installation
from tests.support.transactions import transactions_of

RUNNER = {"command": "true", "runner": True}


def running(place: Installation, count: int, **settings: float) -> None:
    """Launched runs that have not said a word yet."""
    pool = place.pool(settings=PoolSettings(**settings))
    deployment = place.deployment(job_variables=RUNNER)
    for _ in range(count):
        place.run(deployment.id)
    assert dispatch(place.parts, pool.id).launched == count


def transactions_of_a_look(place: Installation) -> int:
    place.clock.advance(place.cloud.look_every)
    with transactions_of(place.store.engine) as found:
        observe.observe(place.parts)
    return len(found)


def test_a_look_at_many_that_go_on_takes_as_many_transactions_as_at_one(place: Installation) -> None:
    running(place, 1)
    alone = transactions_of_a_look(place)
    for _ in range(9):
        place.run(place.deployment(job_variables=RUNNER).id)
    dispatch(place.parts, place.rows(attempts_table)[0].work_pool_id)
    assert transactions_of_a_look(place) == alone
    rows = place.rows(attempts_table)
    assert {row.provider_phase for row in rows} == {"running"}
    assert {row.look_at for row in rows} == {place.clock.at + timedelta(seconds=place.cloud.look_every)}


def test_among_many_that_go_on_the_one_that_is_to_be_stopped_is_stopped(place: Installation) -> None:
    running(place, 5)
    chosen = place.rows(attempts_table)[2].id
    place.clock.advance(place.cloud.look_every)
    ask = place.cloud.status

    def status(watched: Sequence[Watched]) -> Mapping[UUID, Observation]:
        """Cancelled while the provider is asked: what was read before is not what is true."""
        place.store.transaction(attempts.stop_where, attempts_table.c.id == chosen, attempts.CANCELLED, "no")
        return ask(watched)

    place.cloud.status = status  # type: ignore[method-assign]
    observe.observe(place.parts)
    assert len(place.cloud.alive()) == 4
    assert chosen not in place.cloud.alive()


def test_among_many_that_go_on_those_that_took_too_long_are_given_up(place: Installation) -> None:
    running(place, 3, start_timeout=30)
    place.clock.advance(31)
    observe.observe(place.parts)
    assert {row.stop for row in place.rows(attempts_table)} <= {attempts.GAVE_UP}
    assert not place.cloud.alive()
