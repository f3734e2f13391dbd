"""One deployment whose runs are in a pool that is pushed to and in one that workers pull from: it has one limit."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import pytest

from skylift.dispatch import dispatch
from skylift.models.states import StateCreate, StateType
from skylift.store import proposals
from skylift.store.tables import attempts
from skylift.transitions import Author
from tests.api.making import Api, ok


def shared(api: Api, limit: int, pushed: int, pulled: int, **body: Any) -> tuple[list[UUID], list[UUID]]:
    """Due runs of one deployment in the pools `pool` (pushed to) and `workers` (pulled from)."""
    api.pool()
    api.pool("workers", type="process", base_job_template={})
    deployment = api.deployment(concurrency_limit=limit, **body)
    first = [UUID(api.run(deployment["id"])["id"]) for _ in range(pushed)]
    ok(api.http.patch(f"deployments/{deployment['id']}", json={"work_pool_name": "workers"}), 204)
    return first, [UUID(api.run(deployment["id"])["id"]) for _ in range(pulled)]


def take(api: Api, run: UUID) -> Any:
    return api.place.store.transaction(proposals.propose, run, StateCreate(type=StateType.PENDING), Author.PERSON)


def launched(api: Api) -> int:
    api.launch()
    return len(api.place.rows(attempts))


def test_takers_and_claims_at_once_stay_within_the_limit(api: Api) -> None:
    _, pulled = shared(api, 3, pushed=6, pulled=6)
    pools = [UUID(each["id"]) for each in ok(api.http.post("work_pools/filter", json={}))]
    with ThreadPoolExecutor(8) as threads:
        claims = [threads.submit(dispatch, api.place.parts, pool) for pool in pools * 2]
        answers = list(threads.map(lambda run: take(api, run), pulled))
        for each in claims:
            each.result()
    api.launch()
    taken = sum(each.status == "ACCEPT" for each in answers)
    assert taken + len(api.place.rows(attempts)) == 3


class TestOnSqlite:
    @pytest.fixture
    def store_url(self, sqlite_url: str) -> str:
        return sqlite_url

    def test_a_claim_counts_what_workers_have_taken(self, api: Api) -> None:
        (_, explained), (first, second) = shared(api, 2, pushed=2, pulled=2)
        assert take(api, first).status == "ACCEPT"
        assert launched(api) == 1
        assert take(api, second).status == "REJECT"
        told = ok(api.http.get(f"skylift/flow_runs/{explained}/explain"))["waiting"]["message"]
        assert "'deployment' is at its limit: 2 of 2" in told
        ok(api.propose(str(first), "COMPLETED", force=True), 201)
        assert launched(api) == 2

    def test_the_rule_to_cancel_new_ones_counts_them_too(self, api: Api) -> None:
        options = {"collision_strategy": "CANCEL_NEW"}
        (pushed,), (pulled,) = shared(api, 1, pushed=1, pulled=1, concurrency_options=options)
        assert take(api, pulled).status == "ACCEPT"
        assert launched(api) == 0
        assert api.read(str(pushed))["state"]["type"] == "CANCELLED"

    def test_a_worker_that_died_holds_no_slot(self, api: Api) -> None:
        _, (pulled,) = shared(api, 1, pushed=1, pulled=1)
        assert take(api, pulled).status == "ACCEPT"
        assert launched(api) == 0
        api.place.clock.advance(301)
        assert launched(api) == 1
