"""Work pools over HTTP: their shapes, refusals, partial updates, what waits in them and who holds their slots."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from tests.api.making import Api, ok, refused
from tests.support.cloud import TEMPLATE


def test_a_pool_is_made_with_its_default_queue(api: Api) -> None:
    made = api.pool("étl pool", description="d", concurrency_limit=3)
    assert (made["status"], made["is_paused"], made["concurrency_limit"]) == ("READY", False, 3)
    assert made["created"]
    assert made["updated"]
    assert made["storage_configuration"] == {}
    assert ok(api.http.get("work_pools/étl pool")) == made
    [queue] = ok(api.http.post("work_pools/étl pool/queues/filter"))
    assert (queue["id"], queue["name"], queue["priority"]) == (made["default_queue_id"], "default", 1)
    refused(api.http.post("work_pools/", json={"name": "étl pool", "type": "x"}), 409, "'étl pool'", "already exists")
    refused(api.http.get("work_pools/none"), 404, "'none'")


class TestOnSqlite:
    """What does not depend on the database."""

    @pytest.fixture
    def store_url(self, sqlite_url: str) -> str:
        return sqlite_url

    @pytest.mark.parametrize("name", ["", "a/b", "50%", "a&b", "<a", "a>", "x" * 301])
    def test_names_that_no_path_can_hold(self, api: Api, name: str) -> None:
        refused(api.http.post("work_pools/", json={"name": name, "type": "x"}), 422, "name")

    @pytest.mark.parametrize("name", ["prefect", "Prefect-x", "PREFECTED"])
    def test_reserved_names(self, api: Api, name: str) -> None:
        refused(api.http.post("work_pools/", json={"name": name, "type": "x"}), 403, "reserved")
        refused(api.http.delete(f"work_pools/{name}"), 403, "reserved")

    def test_any_type_is_kept_and_one_without_a_provider_is_not_ready(self, api: Api) -> None:
        made = api.pool("pull", type="kubernetes", base_job_template={})
        assert (made["type"], made["status"]) == ("kubernetes", "NOT_READY")
        refused(api.http.post("work_pools/", json={"name": "x", "type": ""}), 422, "type")
        assert api.pool("new", base_job_template={}, is_paused=True)["status"] == "PAUSED"
        assert ok(api.http.get("work_pools/new"))["base_job_template"] == TEMPLATE

    @pytest.mark.parametrize(
        ("field", "value"),
        [("concurrency_limit", -1), ("concurrency_limit", "many"), ("is_paused", "?"), ("base_job_template", [])],
    )
    def test_wrong_values_are_named(self, api: Api, field: str, value: Any) -> None:
        body = {"name": "pool", "type": "cloud:push"}
        refused(api.http.post("work_pools/", json=body | {field: value}), 422, field)
        api.pool()
        refused(api.http.patch("work_pools/pool", json={field: value}), 422, field)

    def test_an_update_changes_what_it_names_and_null_clears(self, api: Api) -> None:
        made = api.pool(description="d", concurrency_limit=3)

        def patch(**body: Any) -> dict[str, Any]:
            ok(api.http.patch("work_pools/pool", json=body), 204)
            read: dict[str, Any] = ok(api.http.get("work_pools/pool"))
            return {
                key: value
                for key, value in read.items()
                if made[key] != value and key not in ("updated", "active_slots")
            }

        assert patch() == {}
        assert patch(name="other", type="other", unknown=1) == {}
        assert patch(is_paused=True) == {"is_paused": True, "status": "PAUSED"}
        assert patch(is_paused=False) == {}
        assert patch(concurrency_limit=0) == {"concurrency_limit": 0}
        assert patch(concurrency_limit=None) == {"concurrency_limit": None}
        assert patch(description=None, concurrency_limit=3) == {"description": None}
        # What cannot be empty stays as it is, and so a client that sends all its fields does no harm.
        same = {"description": "d", "is_paused": None, "base_job_template": None, "settings": None}
        assert patch(**same, storage_configuration=None) == {}
        refused(api.http.patch("work_pools/none", json={}), 404, "'none'")

    @pytest.mark.parametrize(
        ("change", "says"),
        [
            ({"variables": None}, "'variables'"),
            ({"job_configuration": {"command": "{{ comand }}"}}, "comand"),
            ({"job_configuration": {"cpu": "{{ cpu }"}}, "job_configuration.cpu"),
            (
                {"variables": {"properties": {"cpu": {"type": "number", "default": "x"}}}, "job_configuration": {}},
                "cpu",
            ),
        ],
    )
    def test_a_template_is_checked_when_it_is_written(self, api: Api, change: Any, says: str) -> None:
        template = copy.deepcopy(TEMPLATE) | change
        body = {"name": "bad", "type": "cloud:push", "base_job_template": template}
        refused(api.http.post("work_pools/", json=body), 422, says)
        refused(api.http.get("work_pools/bad"), 404)
        api.pool()
        refused(api.http.patch("work_pools/pool", json={"base_job_template": template}), 422, says)
        assert ok(api.http.get("work_pools/pool"))["base_job_template"] == TEMPLATE

    def test_filters_sorts_and_pages(self, api: Api) -> None:
        for name in ("b", "c", "a"):
            api.pool(name, type="process" if name == "c" else "cloud:push")

        def names(**body: Any) -> list[str]:
            return [each["name"] for each in ok(api.http.post("work_pools/filter", json=body))]

        assert names(work_pools=None, limit=None, offset=0) == ["a", "b", "c"]
        assert names(sort="NAME_DESC", limit=2) == ["c", "b"]
        assert names(offset=1, limit=1) == ["b"]
        assert names(limit=0) == []
        assert names(work_pools={"type": {"any_": ["process"]}}) == ["c"]
        assert names(work_pools={"name": {"any_": ["a", "c"]}}) == ["a", "c"]
        assert ok(api.http.post("work_pools/count", json={"work_pools": {"name": {"any_": ["a"]}}})) == 1
        assert ok(api.http.post("work_pools/count")) == 3
        for body, says in (
            ({"limit": 201}, "less than or equal to 200"),
            ({"limit": -1}, "limit"),
            ({"limit": "x"}, "limit"),
            ({"offset": -1}, "offset"),
            ({"sort": "TYPE_ASC"}, "TYPE_ASC"),
            ({"work_pools": {"kind": {"any_": []}}}, "work_pools.kind"),
            ({"work_pools": {"name": {"some_": []}}}, "work_pools.name.some_"),
            ({"flow_runs": {"id": {"any_": []}}}, "flow_runs"),
            ({"poools": {"x": 1}}, "poools"),
        ):
            refused(api.http.post("work_pools/filter", json=body), 422, says)

    def test_there_are_no_workers(self, api: Api) -> None:
        api.pool()
        assert ok(api.http.post("work_pools/pool/workers/filter", json={"workers": None})) == []
        refused(api.http.post("work_pools/none/workers/filter", json={}), 404)

    def test_the_view_of_types_carries_default_templates(self, api: Api) -> None:
        views = ok(api.http.get("collections/views/aggregate-worker-metadata"))
        kinds = {each["type"]: each for collection in views.values() for each in collection.values()}
        assert kinds["cloud:push"]["default_base_job_configuration"] == TEMPLATE


def test_what_waits_comes_in_the_order_of_a_claim(api: Api) -> None:
    pool = api.pool()
    api.queue("low")
    api.queue("high", priority=1)
    ids = {queue: api.deployment(queue, work_queue_name=queue)["id"] for queue in ("low", "high")}
    later = api.run(ids["high"], after=50, name="later")
    for queue, after, name in (("low", -20, "low"), ("high", 10, "soon"), ("high", -5, "due")):
        api.run(ids[queue], after=after, name=name)

    def names(status: int = 200, **body: Any) -> list[str]:
        answer = ok(api.http.post("work_pools/pool/get_scheduled_flow_runs", json=body), status)
        return [each["flow_run"]["name"] for each in answer]

    assert names() == ["due", "soon", "later", "low"]
    assert ok(api.http.post("work_pools/pool/get_scheduled_flow_runs"))
    assert names(scheduled_before=api.at().replace("T", " ")) == ["due", "low"]
    assert names(scheduled_after=api.at(10), scheduled_before=api.at(10)) == ["soon"]
    assert names(work_queue_names=["low"]) == ["low"]
    assert names(work_queue_names=[], limit=1) == ["due"]
    assert names(limit=0) == []
    refused(
        api.http.post("work_pools/pool/get_scheduled_flow_runs", json={"work_queue_names": ["none"]}), 404, "'none'"
    )
    refused(api.http.post("work_pools/pool/get_scheduled_flow_runs", json={"limit": 201}), 422, "limit")
    refused(api.http.post("work_pools/none/get_scheduled_flow_runs", json={}), 404)
    [first, *_] = ok(api.http.post("work_pools/pool/get_scheduled_flow_runs", json={"work_queue_names": ["high"]}))
    assert (first["work_pool_id"], first["work_queue_id"]) == (pool["id"], first["flow_run"]["work_queue_id"])
    assert first["flow_run"]["created"]
    assert first["flow_run"]["work_queue_name"] == "high"
    # Reading claims nothing.
    assert api.read(later["id"])["state_type"] == "SCHEDULED"

    ok(api.http.patch(f"work_queues/{first['work_queue_id']}", json={"is_paused": True}), 204)
    assert names() == ["low"]
    ok(api.http.patch("work_pools/pool", json={"is_paused": True}), 204)
    assert names() == []


def test_slots_name_their_holders(api: Api) -> None:
    api.pool(concurrency_limit=1)
    deployment = api.deployment()
    first = api.run(deployment["id"], name="first")
    second = api.run(deployment["id"], name="second", after=0.001)
    assert len(api.launch()) == 1
    [holder] = ok(api.http.get("skylift/work_pools/pool/slots"))["slots"]
    assert (holder["flow_run_id"], holder["flow_run_name"], holder["phase"]) == (first["id"], "first", "launched")
    assert (holder["work_queue_name"], holder["stopping"]) == ("default", None)
    api.place.clock.advance(1)
    said = ok(api.http.get(f"skylift/flow_runs/{second['id']}/explain"))["waiting"]["message"]
    assert "1 of 1 slots" in said
    ok(api.propose(first["id"], "CANCELLING", message="enough"), 201)
    assert ok(api.http.get("skylift/work_pools/pool/slots"))["slots"][0]["stopping"] == "enough"
    refused(api.http.get("skylift/work_pools/none/slots"), 404)


def test_deleting_a_pool_leaves_deployments_and_runs_without_one(api: Api) -> None:
    api.pool()
    deployment = api.deployment()
    running = api.run(deployment["id"])
    [container] = api.launch()
    waiting = api.run(deployment["id"], after=60)
    ok(api.http.delete("work_pools/pool"), 204)
    refused(api.http.delete("work_pools/pool"), 404, "'pool'")
    refused(api.http.get(f"work_queues/{waiting['work_queue_id']}"), 404)
    gone = dict.fromkeys(("work_pool_name", "work_queue_id", "work_queue_name"))
    left = ok(api.http.get(f"deployments/{deployment['id']}"))
    assert {key: left[key] for key in gone} == gone
    for run in (waiting, running):
        read = api.read(run["id"])
        assert {key: read[key] for key in gone} == gone
    assert api.read(waiting["id"])["state_type"] == "SCHEDULED"
    explained = ok(api.http.get(f"skylift/flow_runs/{waiting['id']}/explain"))
    assert "no work pool" in explained["waiting"]["message"]
    api.place.clock.advance(61)
    assert container in api.launch(), "nothing new, and the old one is the observer's to stop"
    assert len(api.place.cloud.starts) == 1
    api.pool()
    assert ok(api.http.post("work_pools/pool/get_scheduled_flow_runs", json={})) == []
