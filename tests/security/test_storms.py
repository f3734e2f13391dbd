"""One deployment that asks for runs without end: what others get, and what a request may ask for."""

from __future__ import annotations

from typing import Any

from sqlalchemy import event

from skylift.dispatch import dispatch
from skylift.ids import new_id
from skylift.store import Tx
from skylift.store.tables import due
from tests.api.making import Api
from tests.support.installation import Installation


def _flood(place: Installation, like: Any, count: int) -> None:
    """So many more runs of the deployment that are due."""
    row = next(each for each in place.rows(due) if each.deployment_id == like.id)

    def insert(tx: Tx) -> None:
        tx.run(due.insert(), [{**row._mapping, "flow_run_id": new_id()} for _ in range(count)])

    place.store.transaction(insert)


def test_a_limited_deployment_holds_up_nobody_however_many_runs_of_it_wait(api: Api) -> None:
    """They are passed over by the statements that ask who is next: a claim takes no more of these for them."""
    place = api.place
    pool = place.pool()
    flooding, other = place.deployment("flooding", concurrency_limit=1), place.deployment("other")
    place.run(flooding.id)
    dispatch(place.parts, pool.id)
    place.run(flooding.id)
    counts = []
    for more in (10, 2_000, 3_000):
        _flood(place, flooding, more)
        place.clock.advance(1)
        mine, statements = place.run(other.id), _Counter()
        event.listen(place.store.engine, "before_cursor_execute", statements)
        assert dispatch(place.parts, pool.id).launched == 1
        event.remove(place.store.engine, "before_cursor_execute", statements)
        assert place.row(mine).state_type == "PENDING"
        counts.append(statements.count)
    assert counts[2] == counts[1] <= counts[0] + 10


class _Counter:
    count = 0

    def __call__(self, *_: Any) -> None:
        self.count += 1


def test_what_one_request_may_ask_for_is_bounded(api: Api) -> None:
    api.pool()
    line = {"name": "n", "level": 20, "message": "m", "timestamp": api.at()}
    for path, body in {
        "flow_runs/filter": {"limit": 201},
        "flow_runs/paginate": {"limit": 201},
        "flow_runs/bulk_delete": {"limit": 51},
        "flow_runs/bulk_set_state": {"limit": 51, "state": {"type": "CANCELLED"}},
        f"deployments/{api.deployment()['id']}/create_flow_run/bulk": [{}] * 101,
        "logs/": [line] * 20_001,
        "events": [{}] * 5_001,
    }.items():
        assert api.http.post(path, json=body).status_code == 422, path
