"""What a claim may take next: always what is first in the whole queue, however much of it has to be passed over."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from datetime import datetime, timedelta
from typing import Any
from unittest import mock
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, insert

from skylift.clock import ManualClock
from skylift.store import Store, candidates
from skylift.store.tables import due
from tests.support import history
from tests.support.installation import START
from tests.support.plans import explained

QUEUES = uuid4(), uuid4()
DEPLOYMENTS = [None, *sorted(UUID(int=number) for number in (1, 2, 9, 1 << 127))]
Waiting = tuple[int, UUID | None, int]
"""Of which queue, of which deployment, and in how many seconds it is due."""
waiting = st.lists(
    st.tuples(st.sampled_from((0, 0, 0, 1)), st.sampled_from(DEPLOYMENTS), st.integers(-3, 1)), max_size=30
)


def row(queue: UUID, deployment: UUID | None, at: datetime) -> dict[str, Any]:
    return {
        "flow_run_id": uuid4(),
        "work_pool_id": UUID(int=0),
        "work_queue_id": queue,
        "deployment_id": deployment,
        "due_at": at,
        "watch_late": True,
    }


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    with closing(Store(store_url, clock=ManualClock(START))) as store:
        yield store


@given(
    rows=waiting, blocked=st.sets(st.sampled_from(DEPLOYMENTS[1:])), limit=st.integers(1, 8), front=st.integers(0, 5)
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_they_are_the_first_that_are_not_blocked(
    store: Store, rows: list[Waiting], blocked: set[UUID], limit: int, front: int
) -> None:
    made = [row(QUEUES[queue], deployment, START + timedelta(seconds=after)) for queue, deployment, after in rows]
    fill(store, made)
    first = sorted(
        (each["due_at"], each["flow_run_id"])
        for each in made
        if each["work_queue_id"] == QUEUES[0] and each["due_at"] <= START and each["deployment_id"] not in blocked
    )[:limit]
    with mock.patch.object(candidates, "FRONT", front):
        found = store.transaction(candidates.candidates, QUEUES[0], limit, blocked)
    assert [(each.due_at, each.flow_run_id) for each in found] == first


def fill(store: Store, rows: Iterable[dict[str, Any]]) -> None:
    with store.engine.begin() as conn:
        conn.execute(delete(due))
        if made := list(rows):
            conn.execute(insert(due), made)


@pytest.mark.plain_postgres
def test_what_is_passed_over_costs_nothing(postgres_url: str) -> None:
    """A million runs of a deployment at its limit are a thousand rows to whoever passes them over."""
    full, many, some = UUID(int=5), 30_000, 40
    with closing(Store(postgres_url, clock=ManualClock(START))) as store:
        behind = [row(QUEUES[0], UUID(int=100 + number), START - timedelta(seconds=1)) for number in range(some)]
        fill(store, [*(row(QUEUES[0], full, START - timedelta(hours=1)) for _ in range(many)), *behind])
        history.analyze(store, due)
        with explained(store) as plans:
            found = store.transaction(candidates.candidates, QUEUES[0], 50, {full})
        assert {each.flow_run_id for each in found} == {each["flow_run_id"] for each in behind}
        read = plans.rows_by_table()["due"]
        assert read < 5 * candidates.FRONT, plans.heaviest()
