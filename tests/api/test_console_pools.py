"""A pool's page: who holds its slots, what waits and why, what its provider allows, what its template renders."""

from __future__ import annotations

from typing import Any

import pytest

from skylift.dispatch import dispatch
from skylift.provider import Quota, Throttled
from skylift.store.tables import work_pools
from tests.api.making import Api, attempt_id_of, ok, refused


def waiting(api: Api, run: str) -> dict[str, Any]:
    found: dict[str, Any] = ok(api.http.get(f"skylift/flow_runs/{run}/explain"))["waiting"]
    return found


def queues(api: Api, pool: str = "pool") -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in ok(api.http.get(f"skylift/work_pools/{pool}/waiting"))["queues"]}


def test_a_limit_is_named_with_its_holders(api: Api) -> None:
    api.pool(concurrency_limit=1)
    deployment = api.deployment("d")["id"]
    first, second, third = (api.run(deployment, name=name, after=n)["id"] for n, name in enumerate("abc"))
    [container] = api.launch()
    api.place.clock.advance(3)
    attempt = str(attempt_id_of(container))
    holder = {"attempt_id": attempt, "flow_run_id": first, "flow_run_name": "a", "since": api.at(-3), "stopping": None}
    found = waiting(api, second)
    assert [_plain(each) for each in found["holders"]] == [_plain(holder)]
    assert (found["kind"], found["limit"], found["occupied"], found["ahead"]) == ("pool-limit", 1, 1, 0)
    assert f"1 of 1 slots are occupied: a ({first})" in found["message"]
    assert waiting(api, third)["ahead"] == 1
    page = ok(api.http.get("skylift/work_pools/pool"))
    assert page["pool"]["status"] == "READY"
    assert (page["slots"]["occupied"], page["slots"]["concurrency_limit"]) == (1, 1)
    [slot] = page["slots"]["slots"]
    assert (slot["attempt_id"], slot["flow_run_id"], slot["phase"]) == (attempt, first, "launched")
    assert (slot["deployment"]["name"], slot["work_queue_name"]) == ("d", "default")
    assert (slot["handle"], slot["state_name"]) == (f"container/{attempt}", "Pending")
    assert page["slots"] == ok(api.http.get("skylift/work_pools/pool/slots"))
    [queue] = page["queues"]
    assert (queue["due"], [each["id"] for each in queue["first"]]) == (2, [second, third])
    assert (queue["waiting"]["kind"], queue["occupied"]) == ("pool-limit", 1)
    ok(api.propose(first, "CANCELLING", message="enough"), 201)
    [slot] = ok(api.http.get("skylift/work_pools/pool/slots"))["slots"]
    assert (slot["stop"], slot["stopping"]) == ("cancelled", "enough")
    assert waiting(api, second)["holders"][0]["stopping"] == "enough"
    refused(api.http.get("skylift/work_pools/none"), 404, "'none'")


def _plain(hold: dict[str, Any]) -> dict[str, Any]:
    return hold | {"since": hold["since"].replace("+00:00", "Z")}


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_queues_by_priority_with_what_is_in_the_way(api: Api) -> None:
    api.pool(concurrency_limit=1)
    api.queue("high", priority=1, concurrency_limit=0)
    api.queue("middle", priority=2)
    for name in ("default", "high", "middle"):
        api.run(api.deployment(name, work_queue_name=name)["id"], name=name)
    found = queues(api)
    assert list(found) == ["high", "middle", "default"]
    assert {name: each["waiting"]["kind"] for name, each in found.items()} == {
        "high": "queue-limit",
        "middle": "next",
        "default": "higher-queues",
    }
    assert found["default"]["waiting"]["ahead"] == 1, "what is at its own limit goes before nobody"
    ok(api.http.patch("work_pools/pool/queues/middle", json={"is_paused": True}), 204)
    found = queues(api)
    assert (found["middle"]["waiting"]["kind"], found["default"]["waiting"]["kind"]) == ("queue-paused", "next")
    ok(api.http.patch("work_pools/pool", json={"is_paused": True}), 204)
    assert {each["waiting"]["kind"] for each in queues(api).values()} == {"pool-paused"}


def test_who_is_in_the_way_in_a_pool_that_workers_pull_from(api: Api) -> None:
    api.pool("pulled", type="process", base_job_template={}, concurrency_limit=1)
    deployment = api.deployment(work_pool_name="pulled", job_variables={})["id"]
    first, second = (api.run(deployment, name=name)["id"] for name in "ab")
    assert waiting(api, first)["kind"] == "not-served"
    ok(api.http.post("work_pools/pulled/get_scheduled_flow_runs", json={}))
    assert waiting(api, first)["kind"] == "next"
    ok(api.propose(first, "PENDING"), 201)
    found = waiting(api, second)
    assert (found["kind"], found["holders"][0]["flow_run_id"]) == ("pool-limit", first)
    assert found["holders"][0]["attempt_id"] is None
    [slot] = ok(api.http.get("skylift/work_pools/pulled/slots"))["slots"]
    assert (slot["flow_run_name"], slot["phase"], slot["state_name"]) == ("a", None, "Pending")


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_a_deployments_limit_names_who_holds_it_in_any_pool(api: Api) -> None:
    api.pool()
    deployment = api.deployment("d", concurrency_limit=1)["id"]
    first, second = (api.run(deployment, name=name)["id"] for name in "ab")
    api.launch()
    found = waiting(api, second)
    assert (found["kind"], [each["flow_run_id"] for each in found["holders"]]) == ("deployment-limit", [first])


class TestOnOneDatabase:
    """What does not depend on how a database counts."""

    @pytest.fixture
    def store_url(self, sqlite_url: str) -> str:
        return sqlite_url

    def test_a_run_on_its_way(self, api: Api) -> None:
        api.pool()
        run = api.run(api.deployment()["id"])["id"]
        api.place.cloud.fail_before = [Throttled("Slow down", retry_after=30)]
        api.launch()
        found = waiting(api, run)
        assert (found["kind"], found["until"] > api.at()) == ("not-due", True)
        story = ok(api.http.get(f"skylift/flow_runs/{run}/explain"))
        assert story["provider_words"] == "Slow down"
        later = api.run(api.deployment("other")["id"], after=60)["id"]
        assert waiting(api, later)["until"].startswith(api.at(60)[:19])
        api.place.clock.advance(400)
        api.launch()
        assert waiting(api, run) is None, "a bare command says no first word"

    def test_the_quota_and_who_shares_it(self, api: Api) -> None:
        nothing = ok(api.http.get(f"skylift/work_pools/{api.pool()['name']}/quota"))
        assert (nothing["key"], nothing["rate"], nothing["throttled_last_hour"]) == (None, None, 0)
        api.place.cloud.allowed = Quota(rate=0.1, burst=2, key="account/region")
        api.pool("other")
        deployment = api.deployment()["id"]
        runs = [api.run(deployment, after=n / 1000)["id"] for n in range(3)]
        api.place.clock.advance(1)
        for pool in api.place.rows(work_pools):
            dispatch(api.place.parts, pool.id)
        found = ok(api.http.get("skylift/work_pools/pool/quota"))
        assert (found["key"], found["shared_with"]) == ("account/region", ["other"])
        assert (found["rate"], found["burst"], found["left"]) == (0.1, 2, 0)
        assert found["next_at"].startswith(api.at(10)[:19])
        said = waiting(api, runs[2])
        assert (said["kind"], said["until"]) == ("quota", found["next_at"])
        api.place.clock.advance(10)
        assert ok(api.http.get("skylift/work_pools/other/quota"))["left"] == 1
        api.place.cloud.fail_before = [Throttled("Slow down")]
        api.launch()
        found = ok(api.http.get("skylift/work_pools/pool/quota"))
        assert (found["throttled_last_hour"], found["left"]) == (1, 0)
        api.place.clock.advance(3601)
        assert ok(api.http.get("skylift/work_pools/pool/quota"))["throttled_last_hour"] == 0

    def test_previews_render_and_name_every_fault(self, api: Api) -> None:
        api.pool()

        def preview(**body: Any) -> Any:
            return ok(api.http.post("skylift/work_pools/pool/template/preview", json=body))

        found = preview(job_variables={"command": "echo hi", "cpu": 2, "env": {"PASSWORD": "hunter2"}})
        assert found["errors"] == []
        assert found["configuration"]["command"] == "echo hi"
        assert found["configuration"]["env"] == {"PASSWORD": "********"}
        found = preview(job_variables={"command": 1, "cpu": "abc"})
        assert found["configuration"] is None
        assert [each["path"] for each in found["errors"]] == ["job_variables.command", "job_variables.cpu"]
        deployment = api.deployment(job_variables={"command": "from the deployment"})["id"]
        found = preview(deployment_id=deployment)
        assert found["configuration"]["command"] == "from the deployment"
        draft = {"variables": {"properties": {"cpu": {"type": "integer", "default": "abc"}}}, "job_configuration": {}}
        [error] = preview(base_job_template=draft)["errors"]
        assert error["path"] == "base_job_template.variables.properties.cpu.default"
        assert preview(base_job_template={"variables": []})["errors"]
        refused(api.http.patch("work_pools/pool", json={"base_job_template": draft}), 422, "'cpu'")
        refused(api.http.post("skylift/work_pools/pool/template/preview", json={"x": 1}), 422, "x")
