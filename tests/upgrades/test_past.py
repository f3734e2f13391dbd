"""Databases of every earlier version, with rows in every table, are brought up to date and served as before."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from skylift.schedule import schedule
from skylift.store import Store
from skylift.store.migrations import script_directory
from skylift.store.tables import deployment_schedules, flow_runs, schedule_slots
from tests.api.making import Api, api_of, ok
from tests.upgrades import past
from tests.upgrades.past import INSTANCE, TOKEN, Past, bearer

RECORDED = sorted(each.stem for each in past.DATA.glob("*.json"))


def test_every_version_before_the_newest_was_recorded() -> None:
    """Before the next step is written: `python -m tests.upgrades.past`."""
    _newest, *before = [each.revision for each in script_directory().walk_revisions()]
    assert not set(before) - set(RECORDED)


@pytest.fixture(params=RECORDED)
def then(request: pytest.FixtureRequest) -> Past:
    """What was recorded of a version."""
    return past.read(request.param)


@pytest.fixture
def api(then: Past, empty_url: str) -> Iterator[Api]:
    """Today's API over the tables as they were then, brought up to date."""
    with closing(Store(empty_url)) as store:
        past.upgrade(store.engine, then.version)
        past.load(then, store.engine)
        store.ensure_current()
    for api in api_of(empty_url, past.KEY):
        api.place.clock.at = datetime.fromisoformat(then.at)
        yield api


def test_what_was_there_is_served_and_life_goes_on(then: Past, api: Api) -> None:
    assert all(then.rows.values()), "every table has a row"
    for (method, path, body, before), now in zip(then.answers, past.ask_everything(api), strict=True):
        assert now[:3] == [method, path, body]
        assert _still_says(now[3], before) == [], f"{method} {path}"
    _a_run_goes_on(api, then.attempt)
    _webhooks_know_what_they_had(api, then.webhook)
    _schedules_go_on_from_their_cursors(api)


def _still_says(now: Any, before: Any, path: str = "") -> list[str]:
    """The places where less or something else is said. Objects may have got more fields."""
    if isinstance(before, dict) and isinstance(now, dict):
        return [each for key in before for each in _still_says(now.get(key, "nothing"), before[key], f"{path}.{key}")]
    if isinstance(before, list) and isinstance(now, list) and len(now) == len(before):
        pairs = enumerate(zip(now, before, strict=True))
        return [each for place, pair in pairs for each in _still_says(*pair, f"{path}[{place}]")]
    return [] if now == before else [f"{path}: {before!r} has become {now!r}"]


def _a_run_goes_on(api: Api, attempt: str) -> None:
    """Its token is good, its heartbeat is heard, and its end is believed."""
    token, me = bearer(TOKEN), {"instance": INSTANCE}
    ok(api.http.post(f"attempts/{attempt}/heartbeat", json=me, headers=token))
    end = me | {"outcome": "completed", "exit_code": 0}
    assert ok(api.http.post(f"attempts/{attempt}/end", json=end, headers=token))["type"] == "COMPLETED"


def _webhooks_know_what_they_had(api: Api, webhook: str) -> None:
    [before] = [row for row in api.place.rows(flow_runs) if row.parameters == {"n": 1}]
    again, other = (ok(past.deliver(api, webhook, {"n": n}), 202)["flow_run_id"] for n in (1, 2))
    assert (again, other != again) == (str(before.id), True)


def _schedules_go_on_from_their_cursors(api: Api) -> None:
    before = {row.slot for row in api.place.rows(schedule_slots)}
    [cursor] = [row.cursor for row in api.place.rows(deployment_schedules)]
    api.place.clock.at = cursor - timedelta(minutes=30)
    schedule(api.place.parts)
    after = sorted(row.slot for row in api.place.rows(schedule_slots))
    assert set(after) > before
    assert {b - a for a, b in pairwise(after)} == {timedelta(hours=1)}
    assert api.launch()
