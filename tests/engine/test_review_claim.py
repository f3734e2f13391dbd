"""What a claim must not do, however the rows lie."""

from __future__ import annotations

import pytest

from skylift.dispatch import dispatch
from skylift.store.tables import attempts
from tests.support.installation import Installation


@pytest.mark.parametrize("strategy", ["ENQUEUE", "CANCEL_NEW"])
def test_the_pools_limit_holds_where_a_full_deployment_is_passed_over(place: Installation, strategy: str) -> None:
    pool = place.pool(concurrency_limit=3)
    limited = place.deployment("limited", concurrency_limit=1, concurrency_options={"collision_strategy": strategy})
    for _ in range(3):
        place.run(limited.id)
    place.clock.advance(1)
    free = place.deployment("free")
    for _ in range(10):
        place.run(free.id)
    dispatch(place.parts, pool.id)
    assert len(place.rows(attempts)) == 3


@pytest.mark.parametrize("strategy", ["ENQUEUE", "CANCEL_NEW"])
def test_a_queues_limit_holds_where_a_full_deployment_is_passed_over(place: Installation, strategy: str) -> None:
    pool = place.pool()
    place.queue("q", concurrency_limit=3)
    limited = place.deployment("limited", concurrency_limit=1, concurrency_options={"collision_strategy": strategy})
    for _ in range(3):
        place.run(limited.id, queue="q")
    place.clock.advance(1)
    free = place.deployment("free")
    for _ in range(10):
        place.run(free.id, queue="q")
    dispatch(place.parts, pool.id)
    assert len(place.rows(attempts)) == 3
