"""Lists of runs, one run's story, and its logs page by page."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from skylift import observe
from skylift.models.base import JsonObject
from skylift.models.runs import LogCreate
from skylift.provider import Rejected
from skylift.store import Tx, logs
from skylift.store.tables import log_batches
from tests.api.making import Api, ok, refused


def runs(api: Api, query: str = "") -> tuple[list[str], str | None]:
    found = ok(api.http.get(f"skylift/flow_runs?{query}"))
    return [each["name"] for each in found["runs"]], found["next"]


def page_by_page(api: Api, query: str = "") -> list[str]:
    seen, cursor = runs(api, f"{query}&limit=2")
    while cursor:
        page, cursor = runs(api, f"{query}&limit=2&after={cursor}")
        seen += page
    return seen


def test_lists_are_filtered_and_go_on_by_a_cursor(api: Api) -> None:
    api.pool()
    api.pool("other")
    api.queue("high", priority=1)
    first = api.deployment("one", tags=["x"])
    second = api.deployment("two", work_pool_name="other")
    for number in range(4):
        api.run(first["id"], name=f"one-{number}", after=number - 2, tags=["t", str(number)])
    ended = api.run(second["id"], name="two_ended", after=-9)["id"]
    ok(api.propose(ended, "FAILED", message="why\nand more", force=True), 201)
    api.run(first["id"], name="ONE-high", after=-30, work_queue_name="high")
    names, more = runs(api)
    assert (names, more) == (["one-3", "one-2", "one-1", "one-0", "two_ended", "ONE-high"], None)
    assert runs(api, "state=FAILED&state=CRASHED")[0] == ["two_ended"]
    assert runs(api, "state=SCHEDULED&state=FAILED")[0] == names
    assert runs(api, "state_name=Failed")[0] == ["two_ended"]
    assert runs(api, "name=one-")[0] == [each for each in names if each != "two_ended"]
    assert runs(api, "name=_")[0] == ["two_ended"], "what is looked for is no pattern"
    assert runs(api, f"deployment_id={second['id']}")[0] == ["two_ended"]
    assert runs(api, f"flow_id={first['flow_id']}&tag=t&tag=2")[0] == ["one-2"]
    assert runs(api, "work_pool=other")[0] == ["two_ended"]
    assert runs(api, "work_pool=none")[0] == []
    assert runs(api, "work_pool=pool&work_queue=high")[0] == ["ONE-high"]
    since, until = (api.at(seconds).replace("+00:00", "Z") for seconds in (-9, -1))
    assert runs(api, f"since={since}&until={until}")[0] == ["one-1", "one-0", "two_ended"]
    for query in ("", "deployment_id=" + first["id"], "work_pool=pool", "state=SCHEDULED&state=FAILED"):
        assert page_by_page(api, query) == runs(api, query)[0], query
    row = ok(api.http.get("skylift/flow_runs?state=FAILED"))["runs"][0]
    assert (row["flow"]["name"], row["deployment"]["name"], row["work_pool_name"]) == ("flow", "two", "other")
    assert (row["state_message"], row["work_queue_name"]) == ("why", "default")


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_many_runs_of_one_instant_are_each_on_one_page(api: Api) -> None:
    api.pool()
    deployment = api.deployment()["id"]
    made = {api.run(deployment, name=str(number), after=1)["name"] for number in range(5)}
    assert sorted(page_by_page(api)) == sorted(made)


class TestOnOneDatabase:
    """What does not depend on how a database sorts."""

    @pytest.fixture
    def store_url(self, sqlite_url: str) -> str:
        return sqlite_url

    def test_what_is_not_understood_is_named(self, api: Api) -> None:
        for query in ("after=x", "after=WyJhIl0", "state=X", "limit=0", "limit=201", "colour=red"):
            refused(api.http.get(f"skylift/flow_runs?{query}"), 422, query.partition("=")[0])

    def test_a_crash_is_explained_with_the_providers_words_and_what_to_do(self, api: Api) -> None:
        api.pool()
        run = api.run(api.deployment("d")["id"])["id"]
        api.place.cloud.fail_before = [Rejected("No such image", remedy="Push it")]
        api.launch()
        story = ok(api.http.get(f"skylift/flow_runs/{run}/explain"))
        assert (story["provider_words"], story["remedy"]) == ("No such image", "Push it")
        assert story["why"] == "No such image. Push it"
        assert (story["flow"]["name"], story["deployment"]["name"], story["waiting"]) == ("flow", "d", None)
        [attempt] = story["attempts"]
        assert (attempt["number"], attempt["phase"], attempt["handle"]) == (1, None, None)
        assert [step["kind"] for step in attempt["steps"]] == ["claimed", "rendered", "rejected", "crashed"]
        assert attempt["ended_at"]

    def test_each_try_has_its_steps_and_times(self, api: Api) -> None:
        api.pool(settings={"infrastructure_retries": 1, "on_infra_loss": "retry"})
        run = api.run(api.deployment()["id"])["id"]
        [container] = api.launch()
        api.place.clock.advance(10)
        container.end(None)
        observe.observe(api.place.parts)
        api.place.clock.advance(60)
        api.launch()
        story = ok(api.http.get(f"skylift/flow_runs/{run}/explain"))
        first, second = story["attempts"]
        assert (first["phase"], second["phase"], second["ended_at"]) == (None, "launched", None)
        assert first["ended_at"].startswith(api.at(-60)[:19])
        launched = next(step for step in first["steps"] if step["kind"] == "launched")
        assert launched["seconds"] == 10
        assert second["steps"][-1]["seconds"] is None
        lines = {line["message"] for line in story["timeline"]}
        assert {step["message"] for each in story["attempts"] for step in each["steps"]} <= lines

    def test_a_refused_id(self, api: Api) -> None:
        refused(api.http.get(f"skylift/flow_runs/{UUID(int=1)}/explain"), 404)
        refused(api.http.get(f"skylift/flow_runs/{UUID(int=1)}/logs"), 404)


class TestLogs:
    """Each line once, whatever comes in meanwhile and in whatever order."""

    @pytest.fixture
    def run(self, api: Api) -> str:
        api.pool()
        made: str = api.run(api.deployment()["id"])["id"]
        return made

    def _page(self, api: Api, run: str, after: str = "", **query: Any) -> JsonObject:
        found: JsonObject = ok(api.http.get(f"skylift/flow_runs/{run}/logs", params={"after": after, **query}))
        return found

    def _say(self, api: Api, run: str, *messages: str, level: int = 20, id_: UUID | None = None) -> None:
        """One batch; `id_`: as if it had been taken in then."""
        at = api.place.clock.at

        def work(tx: Tx) -> None:
            before = {row.id for row in tx.all(log_batches.select())}
            lines = [
                LogCreate(name="n", level=level, message=each, timestamp=at, flow_run_id=UUID(run)) for each in messages
            ]
            logs.append(tx, lines)
            if id_:
                tx.run(log_batches.update().where(log_batches.c.id.not_in(before)).values(id=id_))

        api.place.store.transaction(work)

    def test_pages(self, api: Api, run: str) -> None:
        assert self._page(api, run) == {"lines": [], "cursor": "W10=", "more": False, "done": False}
        self._say(api, run, "a", "b")
        self._say(api, run, "c", level=40)
        page = self._page(api, run, limit=1)
        assert ([each["message"] for each in page["lines"]], page["more"]) == (["a", "b"], True)
        page = self._page(api, run, page["cursor"])
        assert ([each["message"] for each in page["lines"]], page["more"]) == (["c"], False)
        assert self._page(api, run, page["cursor"])["lines"] == []
        self._say(api, run, "d")
        assert [each["message"] for each in self._page(api, run, page["cursor"])["lines"]] == ["d"]
        assert [each["message"] for each in self._page(api, run, level=30)["lines"]] == ["c"]
        refused(api.http.get(f"skylift/flow_runs/{run}/logs?after=x"), 422, "cursor")

    @pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
    def test_a_batch_that_comes_in_late_is_not_passed_over(self, api: Api, run: str) -> None:
        now = 1_800_000_000_000
        ids = [UUID(int=(now + millis) << 80) for millis in (0, 5_000, 30_000)]
        self._say(api, run, "second", id_=ids[1])
        page = self._page(api, run)
        self._say(api, run, "first", id_=ids[0])
        page = self._page(api, run, page["cursor"])
        assert [each["message"] for each in page["lines"]] == ["first"]
        self._say(api, run, "third", id_=ids[2])
        page = self._page(api, run, page["cursor"])
        assert [each["message"] for each in page["lines"]] == ["third"]
        assert self._page(api, run, page["cursor"])["lines"] == []

    @pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
    def test_it_is_done_when_nobody_can_say_more(self, api: Api, run: str) -> None:
        [container] = api.launch()
        self._say(api, run, "last")
        assert not self._page(api, run)["done"]
        container.end(0)
        api.place.clock.advance(2)
        observe.observe(api.place.parts)
        page = self._page(api, run)
        assert (page["done"], len(page["lines"])) == (True, 1)
        alone = api.run(api.read(run)["deployment_id"])["id"]
        ok(api.propose(alone, "COMPLETED", force=True), 201)
        assert not self._page(api, alone)["done"], "nobody watched it for us"
        api.place.clock.advance(11)
        assert self._page(api, alone)["done"]
