"""Pages of runs, flows and deployments, many of them changed at once, and figures over many."""

from __future__ import annotations

from typing import Any

import pytest

from skylift.ids import new_id
from tests.api.making import Api, ok, refused


def made(api: Api, type_: str = "PENDING", **body: Any) -> str:
    run: str = ok(api.http.post("flow_runs/", json={"flow_id": api.flow(), "state": {"type": type_}} | body), 201)["id"]
    return run


def test_how_late_runs_start_and_how_long_they_take(api: Api) -> None:
    scheduled = {"type": "SCHEDULED", "state_details": {"scheduled_time": api.at(10)}}
    assert ok(api.http.post("flow_runs/lateness", json={})) is None
    run, waits, over = made(api, state=scheduled), made(api, state=scheduled), made(api, state=scheduled)
    ok(api.propose(over, "CANCELLED"), 201)
    api.place.clock.advance(14)
    ok(api.propose(run, "RUNNING"), 201)
    api.place.clock.advance(6)
    read = api.read(run)
    assert (read["estimated_start_time_delta"], read["estimated_run_time"], read["total_run_time"]) == (4, 6, 0)
    assert api.read(waits)["estimated_start_time_delta"] == 10
    assert api.read(over)["estimated_start_time_delta"] == 0
    assert ok(api.http.post("flow_runs/lateness", json={})) == pytest.approx((4 + 10 + 0) / 3)
    only = {"flow_runs": {"id": {"any_": [run]}}}
    assert ok(api.http.post("flow_runs/lateness", json=only)) == 4
    stretch: dict[str, Any] = {
        "history_start": api.at(-20),
        "history_end": api.at(10),
        "history_interval_seconds": 10,
    }
    empty, second, third = ok(api.http.post("flow_runs/history", json=stretch))
    assert (empty["states"], third["states"]) == ([], [])
    assert second["interval_end"] == third["interval_start"]
    states = {each["state_name"]: each for each in second["states"]}
    assert {name: each["count_runs"] for name, each in states.items()} == {"Running": 1, "Scheduled": 1, "Cancelled": 1}
    assert (states["Running"]["sum_estimated_run_time"], states["Running"]["sum_estimated_lateness"]) == (6, 4)
    [narrow] = ok(api.http.post("flow_runs/history", json=stretch | only | {"history_interval_seconds": 30}))
    assert [each["count_runs"] for each in narrow["states"]] == [1]
    backwards = stretch | {"history_end": api.at(-30)}
    assert ok(api.http.post("flow_runs/history", json=backwards)) == []


def test_many_at_once(api: Api) -> None:
    runs = [made(api, name=name, tags=[name[0]]) for name in ("a1", "a2", "b1")]
    of_a: dict[str, Any] = {"flow_runs": {"tags": {"all_": ["a"]}}}
    answers = ok(api.http.post("flow_runs/bulk_set_state", json=of_a | {"state": {"type": "COMPLETED"}}))["results"]
    assert {each["flow_run_id"]: each["status"] for each in answers} == dict.fromkeys(runs[:2], "ACCEPT")
    again = ok(api.http.post("flow_runs/bulk_set_state", json=of_a | {"state": {"type": "CANCELLING"}, "limit": 1}))
    assert [each["status"] for each in again["results"]] == ["ABORT"]
    refused(api.http.post("flow_runs/bulk_set_state", json=of_a), 422, "state")
    refused(api.http.post("flow_runs/bulk_delete", json={"limit": 51}), 422, "limit")
    refused(api.http.post("flow_runs/bulk_delete", json={"flow_runs": {"nam": {}}}), 422, "nam")
    assert sorted(ok(api.http.post("flow_runs/bulk_delete", json=of_a))["deleted"]) == sorted(runs[:2])
    assert ok(api.http.post("flow_runs/count", json={})) == 1


def test_deployments_at_once(api: Api) -> None:
    api.pool()
    deployment = api.deployment(parameter_openapi_schema={"type": "object", "required": ["a"]})["id"]
    bodies = [{"parameters": {"a": 1}}, {}, {"parameters": {"a": 1}, "job_variables": {"cpu": 99}}]
    path = f"deployments/{deployment}/create_flow_run/bulk"
    first, second, third = ok(api.http.post(path, json=bodies))["results"]
    assert api.read(first["flow_run_id"])["parameters"] == {"a": 1}
    assert (second["status"], second["flow_run_id"], third["status"]) == ("FAILED", None, "FAILED")
    assert "'a' is a required property" in second["error"]
    assert "cpu" in third["error"]
    refused(api.http.post(path, json=[{}] * 101), 422)
    refused(api.http.post(f"deployments/{new_id()}/create_flow_run/bulk", json=[]), 404)
    api.deployment("other")
    only = {"deployments": {"name": {"any_": ["other", "none"]}}}
    assert len(ok(api.http.post("deployments/bulk_delete", json=only))["deleted"]) == 1
    refused(api.http.post("flows/bulk_delete", json={}), 409, "1 deployments")
    ok(api.http.post("deployments/bulk_delete", json={}))
    assert ok(api.http.post("flow_runs/count", json={})) == 0
    assert len(ok(api.http.post("flows/bulk_delete", json={}))["deleted"]) == 1


class TestOnSqlite:
    """What does not depend on the database."""

    @pytest.fixture
    def store_url(self, sqlite_url: str) -> str:
        return sqlite_url

    @pytest.mark.parametrize("resource", ["flow_runs", "flows", "deployments"])
    def test_pages(self, api: Api, resource: str) -> None:
        for name in "cab":
            if resource == "flows":
                api.flow(name)
            elif resource == "deployments":
                api.deployment(name, work_pool_name=None)
            else:
                made(api, name=name)

        def page(**body: Any) -> dict[str, Any]:
            found: dict[str, Any] = ok(api.http.post(f"{resource}/paginate", json={"sort": "NAME_ASC"} | body))
            found["results"] = "".join(each["name"] for each in found["results"])
            return found

        assert page() == {"results": "abc", "count": 3, "limit": 200, "pages": 1, "page": 1}
        assert page(limit=2) == {"results": "ab", "count": 3, "limit": 2, "pages": 2, "page": 1}
        assert page(limit=2, page=2)["results"] == "c"
        assert page(limit=2, page=9)["results"] == ""
        assert page(limit=0) == {"results": "", "count": 3, "limit": 0, "pages": 0, "page": 1}
        assert page(**{resource: {"name": {"any_": ["b"]}}})["count"] == 1
        for wrong in ({"page": 0}, {"limit": 201}, {"limit": -1}, {"page": 10**12}, {"sort": "X"}):
            refused(api.http.post(f"{resource}/paginate", json=wrong), 422)
        assert ok(api.http.post(f"{resource}/paginate"))["count"] == 3

    def test_labels_are_added(self, api: Api) -> None:
        run = made(api, labels={"a": 1, "b": 1})
        ok(api.http.patch(f"flow_runs/{run}/labels", json={"b": 2, "prefect.worker.name": "w"}), 204)
        origin = {"prefect.flow.id": api.read(run)["flow_id"]}
        assert api.read(run)["labels"] == {"a": 1, "b": 2, "prefect.worker.name": "w"} | origin
        refused(api.http.patch(f"flow_runs/{new_id()}/labels", json={}), 404)

    def test_states_by_themselves(self, api: Api) -> None:
        run = made(api)
        ok(api.propose(run, "RUNNING"), 201)
        states = ok(api.http.get("flow_run_states/", params={"flow_run_id": run}))
        assert [each["type"] for each in states] == ["PENDING", "RUNNING"]
        assert ok(api.http.get(f"flow_run_states/{states[1]['id']}")) == states[1]
        refused(api.http.get(f"flow_run_states/{new_id()}"), 404)
        assert ok(api.http.get("flow_run_states/", params={"flow_run_id": str(new_id())})) == []

    def test_a_subflow_says_whose_it_is(self, api: Api) -> None:
        parent = str(new_id())
        run = made(api, parent_task_run_id=parent)
        state = ok(api.propose(run, "RUNNING"), 201)["state"]
        assert state["state_details"]["task_run_id"] == parent

    def test_a_run_that_begins_running_or_ended_has_its_times(self, api: Api) -> None:
        running, ended = api.read(made(api, "RUNNING")), api.read(made(api, "FAILED"))
        assert (running["run_count"], bool(running["start_time"]), running["end_time"]) == (1, True, None)
        assert ended["start_time"] == ended["end_time"] is not None
        assert ended["run_count"] == 0

    def test_intervals_that_are_none(self, api: Api) -> None:
        for wrong in (0, 0.5, 1e12, "x"):
            body = {"history_start": api.at(), "history_end": api.at(5), "history_interval_seconds": wrong}
            refused(api.http.post("flow_runs/history", json=body), 422, "history_interval_seconds")
        many = {"history_start": api.at(), "history_end": api.at(86400), "history_interval_seconds": 1}
        assert len(ok(api.http.post("flow_runs/history", json=many))) == 500
        far = {
            "history_start": "9999-12-31T00:00:00Z",
            "history_end": "9999-12-31T23:59:59Z",
            "history_interval_seconds": 86400,
        }
        refused(api.http.post("flow_runs/history", json=far), 422, "history_start")

    def test_schedules_are_continued_at_once(self, api: Api) -> None:
        hourly = {"schedule": {"interval": 3600}, "slug": "hourly"}
        deployment = api.deployment(work_pool_name=None, schedules=[hourly, {"schedule": {"cron": "0 9 * * *"}}])["id"]
        assert ok(api.http.post("flow_runs/count", json={})) == 0
        ok(api.http.post(f"deployments/{deployment}/schedule"))
        count = ok(api.http.post("flow_runs/count", json={}))
        assert count >= 6
        ok(api.http.post(f"deployments/{deployment}/schedule", json={"min_runs": 3}))
        assert ok(api.http.post("flow_runs/count", json={})) == count
        past = {"start_time": api.at(-60)}
        refused(api.http.post(f"deployments/{deployment}/schedule", json=past), 422, "scheduled times")

    def test_the_limit_of_a_deployment_as_a_global_one(self, api: Api) -> None:
        api.pool()
        deployment = api.deployment(concurrency_limit=3)["id"]
        api.run(deployment)
        api.launch()
        found = ok(api.http.get(f"deployments/{deployment}"))["global_concurrency_limit"]
        assert (found["limit"], found["active_slots"], found["active"]) == (3, 1, True)
        ok(api.http.patch(f"deployments/{deployment}", json={"concurrency_limit": None}), 204)
        assert ok(api.http.get(f"deployments/{deployment}"))["global_concurrency_limit"] is None
