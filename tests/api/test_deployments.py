"""Deployments over HTTP: made and made again, their schedules, and the runs that are made of them."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from skylift.ids import new_id
from skylift.schedule import schedule
from tests.api.making import Api, ok, refused
from tests.support.cloud import TEMPLATE

HOURLY: dict[str, Any] = {"schedule": {"interval": 3600.0, "anchor_date": "2026-01-01T00:00:00Z"}, "slug": "hourly"}
CRON: dict[str, Any] = {"schedule": {"cron": "0 9 * * *", "timezone": "Europe/Paris"}}
SCHEMA: dict[str, Any] = {
    "title": "Parameters",
    "type": "object",
    "properties": {
        "name": {"type": "string", "title": "name", "position": 0},
        "times": {"type": "integer", "default": 1, "position": 1},
    },
    "required": ["name"],
}


def waiting(api: Api, deployment_id: str) -> dict[str, str]:
    """The runs that wait for their time: when, and which."""
    body = {"flow_runs": {"deployment_id": {"any_": [deployment_id]}, "state": {"type": {"any_": ["SCHEDULED"]}}}}
    found = ok(api.http.post("flow_runs/filter", json=body | {"sort": "EXPECTED_START_TIME_ASC"}))
    return {each["expected_start_time"]: each["id"] for each in found}


def test_a_deployment_is_made_once_and_then_changed(api: Api) -> None:
    api.pool()
    given: dict[str, Any] = {
        "description": "d",
        "version": "1",
        "tags": ["t"],
        "labels": {"l": 1},
        "parameters": {"name": "x"},
        "parameter_openapi_schema": SCHEMA,
        "concurrency_limit": 2,
        "entrypoint": "flows.py:f",
        "path": "/code",
        "pull_steps": [{"prefect.deployments.steps.set_working_directory": {"directory": "/code"}}],
    }
    sent: dict[str, Any] = {
        "concurrency_options": {"collision_strategy": "CANCEL_NEW"},
        "version_info": {"type": "x"},
        "new_field": 1,
    }
    made = api.deployment(**given, **sent, schedules=[CRON | {"replaces": "x"}])
    labels = {"l": 1, "prefect.flow.id": made["flow_id"]}
    assert {key: made[key] for key in given} == given | {"labels": labels}
    assert made["concurrency_options"] == {"collision_strategy": "CANCEL_NEW"}
    assert (made["flow_name"], made["work_pool_name"], made["work_queue_name"]) == ("flow", "pool", "default")
    assert (made["status"], made["paused"], made["enforce_parameter_schema"]) == ("READY", False, True)
    [scheduled] = made["schedules"]
    assert scheduled["schedule"] == CRON["schedule"] | {"day_or": True}
    assert (scheduled["active"], scheduled["parameters"], scheduled["deployment_id"]) == (True, {}, made["id"])
    assert ok(api.http.get(f"deployments/{made['id']}")) == made
    assert ok(api.http.get("deployments/name/flow/deployment")) == made
    again = api.deployment(status=200, version="2")
    assert (again["id"], again["version"], again["description"], again["schedules"]) == (made["id"], "2", None, [])
    refused(api.http.get("deployments/name/flow/none"), 404, "flow/none")
    refused(api.http.get(f"deployments/{new_id()}"), 404)


def test_schedules_of_the_same_slug_keep_their_runs(api: Api) -> None:
    api.pool()
    made = api.deployment(schedules=[HOURLY])
    schedule(api.place.parts)
    before = waiting(api, made["id"])
    assert len(before) >= 3
    again = api.deployment(status=200, schedules=[HOURLY])
    schedule(api.place.parts)
    assert waiting(api, made["id"]) == before
    assert [each["id"] for each in again["schedules"]] == [each["id"] for each in made["schedules"]]
    ok(api.http.patch(f"deployments/{made['id']}", json={"schedules": [HOURLY], "description": "new"}), 204)
    schedule(api.place.parts)
    assert waiting(api, made["id"]) == before
    # A run takes over the tags, so those to come are made anew, for the same times.
    api.deployment(status=200, schedules=[HOURLY], tags=["new"])
    schedule(api.place.parts)
    after = waiting(api, made["id"])
    assert after.keys() == before.keys()
    assert not set(after.values()) & set(before.values())
    api.deployment(status=200, tags=["new"])
    assert waiting(api, made["id"]) == {}


def test_schedules_one_by_one(api: Api) -> None:
    api.pool()
    deployment = api.deployment()
    path = f"deployments/{deployment['id']}/schedules"
    rule = {"schedule": {"rrule": "FREQ=DAILY;BYHOUR=9"}, "active": False, "parameters": {"a": 1}}
    hourly, off = ok(api.http.post(path, json=[HOURLY, rule]), 201)
    assert (hourly["schedule"]["interval"], hourly["slug"], hourly["active"]) == (3600.0, "hourly", True)
    assert (off["active"], off["parameters"], off["schedule"]["timezone"]) == (False, {"a": 1}, "UTC")
    assert ok(api.http.get(path)) == [hourly, off]
    assert ok(api.http.get(f"deployments/{deployment['id']}"))["schedules"] == [hourly, off]
    schedule(api.place.parts)
    due = waiting(api, deployment["id"])
    assert len(due) >= 3
    ledger = ok(api.http.get(f"skylift/deployments/{deployment['id']}/slots"))["lines"]
    assert {(each["slot"], each["flow_run"]["id"]) for each in ledger} == set(due.items())

    def patch(schedule_id: str, **body: Any) -> Any:
        ok(api.http.patch(f"{path}/{schedule_id}", json=body), 204)
        schedule(api.place.parts)
        return next(each for each in ok(api.http.get(path)) if each["id"] == schedule_id)

    assert patch(hourly["id"], active=False)["active"] is False
    assert waiting(api, deployment["id"]) == {}
    assert patch(hourly["id"], active=True, schedule=None)["schedule"] == hourly["schedule"]
    assert waiting(api, deployment["id"]).keys() == due.keys()
    patch(hourly["id"], parameters={"name": "y"})
    run = next(iter(waiting(api, deployment["id"]).values()))
    assert api.read(run)["parameters"] == {"name": "y"}
    assert api.read(run)["auto_scheduled"] is True
    assert "auto-scheduled" in api.read(run)["tags"]

    before = waiting(api, deployment["id"])
    assert patch(hourly["id"], slug="each-hour")["slug"] == "each-hour"
    after = waiting(api, deployment["id"])
    assert after.keys() == before.keys(), "another name moves no slot, and leaves none twice"
    patch(hourly["id"], slug="hourly")
    refused(api.http.post(path, json=[HOURLY]), 422, "already")
    refused(api.http.patch(f"{path}/{off['id']}", json={"slug": "hourly"}), 409, "'hourly'")
    refused(api.http.patch(f"{path}/{off['id']}", json={"schedule": {"cron": "61 * * * *"}}), 422, "61")
    refused(api.http.post(path, json=[{"schedule": {}}]), 422, "interval, cron and rrule")
    refused(api.http.post(path, json=[{"schedule": {"interval": 0}}]), 422, "interval")
    refused(api.http.post(path, json=[CRON | {"slug": "No Slug"}]), 422, "slug")
    ok(api.http.delete(f"{path}/{hourly['id']}"), 204)
    assert waiting(api, deployment["id"]) == {}
    for refuse in (api.http.delete, lambda where: api.http.patch(where, json={})):
        refused(refuse(f"{path}/{hourly['id']}"), 404, hourly["id"])
        refused(refuse(f"deployments/{new_id()}/schedules/{off['id']}"), 404, "Deployment")
    other = api.deployment("other")
    refused(api.http.delete(f"deployments/{other['id']}/schedules/{off['id']}"), 404, off["id"])
    refused(api.http.post(f"deployments/{new_id()}/schedules", json=[]), 404, "Deployment")


def test_pausing_takes_back_what_was_scheduled_and_leaves_what_was_asked_for(api: Api) -> None:
    api.pool()
    deployment = api.deployment(schedules=[HOURLY])
    by_hand = api.run(deployment["id"], after=30)
    path = f"deployments/{deployment['id']}"
    for pause, resume in (
        (("PATCH", path, {"paused": True}), ("PATCH", path, {"paused": False})),
        (("POST", f"{path}/pause_deployment", None), ("POST", f"{path}/resume_deployment", None)),
    ):
        schedule(api.place.parts)
        assert len(waiting(api, deployment["id"])) >= 4
        assert api.http.request(pause[0], pause[1], json=pause[2]).is_success
        schedule(api.place.parts)
        assert [*waiting(api, deployment["id"]).values()] == [by_hand["id"]]
        assert ok(api.http.get(f"deployments/{deployment['id']}"))["paused"] is True
        assert api.http.request(resume[0], resume[1], json=resume[2]).is_success
    assert api.run(deployment["id"])["state_type"] == "SCHEDULED"


def test_deleting_takes_the_runs_that_never_started_and_no_other(api: Api) -> None:
    api.pool()
    deployment = api.deployment(schedules=[HOURLY])
    running = api.run(deployment["id"])
    [container] = api.launch()
    schedule(api.place.parts)
    by_hand = api.run(deployment["id"], after=30)
    ok(api.http.delete(f"deployments/{deployment['id']}"), 204)
    refused(api.http.delete(f"deployments/{deployment['id']}"), 404)
    refused(api.http.get(f"flow_runs/{by_hand['id']}"), 404)
    assert waiting(api, deployment["id"]) == {}
    assert api.read(running["id"])["state_type"] == "PENDING"
    assert container.phase == "running"
    assert ok(api.http.post("flow_runs/count", json={})) == 1


def test_an_idempotency_key_makes_one_run(api: Api) -> None:
    api.pool()
    deployment = api.deployment(parameters={"a": 1, "b": 1}, tags=["d"], labels={"l": 1, "m": 1})
    asked: dict[str, Any] = {"parameters": {"b": 2}, "tags": ["r"], "labels": {"m": 2}, "idempotency_key": "k"}
    made = api.run(deployment["id"], **asked)
    assert made["parameters"] == {"a": 1, "b": 2}
    origin = {"prefect.flow.id": made["flow_id"], "prefect.deployment.id": deployment["id"]}
    assert (made["tags"], made["labels"]) == (["d", "r"], {"l": 1, "m": 2} | origin)
    assert (made["state"]["type"], made["state_name"], made["auto_scheduled"]) == ("SCHEDULED", "Scheduled", False)
    assert made["next_scheduled_start_time"] == made["expected_start_time"]
    assert api.run(deployment["id"], status=200, **asked) == made
    assert api.run(deployment["id"], status=200, idempotency_key="k", parameters={"b": 3}) == made
    assert api.run(deployment["id"], idempotency_key="other")["id"] != made["id"]
    refused(api.http.post(f"deployments/{new_id()}/create_flow_run", json={}), 404, "Deployment")
    at_once = ok(api.http.post(f"deployments/{deployment['id']}/create_flow_run", json={"name": "now"}), 201)
    assert (at_once["name"], at_once["state_type"]) == ("now", "SCHEDULED")
    assert at_once["expected_start_time"] == at_once["created"]


class TestOnSqlite:
    """What does not depend on the database."""

    @pytest.fixture
    def store_url(self, sqlite_url: str) -> str:
        return sqlite_url

    def test_refusals(self, api: Api) -> None:
        api.pool()
        for status, body, says in (
            (404, {"flow_id": str(new_id())}, "Flow"),
            (404, {"work_pool_name": "none"}, "'none'"),
            (422, {"work_pool_name": None, "work_queue_name": "q"}, "work_queue_name"),
            (422, {"name": "a/b"}, "name"),
            (422, {"concurrency_limit": -1}, "concurrency_limit"),
            (422, {"concurrency_options": {"collision_strategy": "DROP"}}, "collision_strategy"),
            (422, {"schedules": [HOURLY, HOURLY]}, "schedules.1"),
            (422, {"engine": "java"}, "engine"),
            (422, {"tags": "t"}, "tags"),
        ):
            refused(api.http.post("deployments/", json=api.body() | body), status, says)
        assert ok(api.http.post("deployments/count", json={})) == 0
        refused(api.http.patch(f"deployments/{new_id()}", json={}), 404)

    def test_an_update_changes_what_it_names_and_null_clears(self, api: Api) -> None:
        api.pool()
        api.pool("other")
        api.queue("q", "other")
        made = api.deployment(
            description="d",
            concurrency_limit=2,
            concurrency_options={"collision_strategy": "ENQUEUE"},
            entrypoint="f.py:f",
            schedules=[HOURLY],
        )

        def patch(**body: Any) -> dict[str, Any]:
            ok(api.http.patch(f"deployments/{made['id']}", json=body), 204)
            read = ok(api.http.get(f"deployments/{made['id']}"))
            follows = ("updated", "global_concurrency_limit")
            return {key: value for key, value in read.items() if made[key] != value and key not in follows}

        assert patch() == {}
        never_null = ("paused", "parameters", "job_variables", "tags", "labels", "schedules", "engine")
        assert patch(**dict.fromkeys(never_null)) == {}
        assert patch(description=None) == {"description": None}
        assert patch(description="d", concurrency_limit=None) == {"concurrency_limit": None}
        assert patch(concurrency_limit=2, concurrency_options=None) == {"concurrency_options": None}
        assert patch(concurrency_options={"collision_strategy": "ENQUEUE"}, entrypoint=None) == {"entrypoint": None}
        assert patch(entrypoint="f.py:f", parameters={"a": 1}) == {"parameters": {"a": 1}}
        moved = patch(parameters={}, work_pool_name="other", work_queue_name="q")
        assert moved.keys() == {"work_pool_name", "work_queue_name", "work_queue_id"}
        assert patch(work_pool_name="pool") == {}
        assert patch(work_pool_name=None)["work_pool_name"] is None
        assert patch(work_pool_name="pool") == {}
        assert patch(schedules=[]) == {"schedules": []}
        refused(api.http.patch(f"deployments/{made['id']}", json={"work_pool_name": "none"}), 404, "'none'")

    def test_null_is_as_good_as_nothing_where_something_is_made(self, api: Api) -> None:
        """Clients send null for all that they were not given."""
        api.pool(is_paused=None, settings=None)
        empty = ("tags", "labels", "paused", "parameters", "enforce_parameter_schema", "schedules", "engine", "path")
        nulls: dict[str, Any] = dict.fromkeys(empty)
        made = api.deployment(**nulls)
        assert (made["tags"], made["paused"], made["enforce_parameter_schema"]) == ([], False, True)
        nulls = dict.fromkeys(("job_variables", "parameters", "tags", "labels", "context", "name", "work_queue_name"))
        assert api.run(made["id"], **nulls)["job_variables"] == {}
        refused(api.http.post("deployments/", json=api.body() | {"name": None}), 422, "name")

    def test_a_queue_that_does_not_exist_is_made(self, api: Api) -> None:
        api.pool()
        deployment = api.deployment(work_queue_name="new")
        assert deployment["work_queue_name"] == "new"
        assert ok(api.http.get("work_pools/pool/queues/new"))["id"] == deployment["work_queue_id"]
        run = api.run(deployment["id"], work_queue_name="urgent")
        assert run["work_queue_name"] == "urgent"
        assert ok(api.http.get("work_pools/pool/queues/urgent"))["priority"] == 3

    def test_job_variables_are_checked_when_they_are_written(self, api: Api) -> None:
        template = copy.deepcopy(TEMPLATE)
        template["variables"]["required"] = ["cpu"]
        api.pool(base_job_template=template)
        body = api.body(job_variables={"cpu": 99})
        refused(api.http.post("deployments/", json=body), 422, "cpu", "at most 8", "deployment 'deployment'")
        # What is required may still come with the run.
        made = api.deployment()
        path = f"deployments/{made['id']}"
        refused(api.http.patch(path, json={"job_variables": {"cpu": "x"}}), 422, "cpu", "deployment 'deployment'")
        refused(api.http.post(f"{path}/create_flow_run", json={}), 422, "cpu", "required")
        wrong = {"name": "my-run", "job_variables": {"cpu": 0}}
        refused(api.http.post(f"{path}/create_flow_run", json=wrong), 422, "cpu", "at least 1", "flow run 'my-run'")
        made = api.run(made["id"], job_variables={"cpu": 1, "undeclared": True})
        assert made["job_variables"] == {"cpu": 1, "undeclared": True}
        # The same rules at the pool, which its deployments may break only after it has changed.
        template["variables"]["properties"]["cpu"]["maximum"] = "x"
        refused(api.http.patch("work_pools/pool", json={"base_job_template": template}), 422, "cpu", "maximum")

    def test_parameters_are_held_to_their_schema(self, api: Api) -> None:
        api.pool()
        made = api.deployment(parameter_openapi_schema=SCHEMA)
        path = f"deployments/{made['id']}/create_flow_run"
        refused(api.http.post(path, json={}), 422, "parameters", "'name'", "required")
        wrong = {"parameters": {"name": "x", "times": "many"}}
        refused(api.http.post(path, json=wrong), 422, "parameters.times", "integer")
        assert api.run(made["id"], parameters={"name": "x"})["parameters"] == {"name": "x"}
        assert ok(api.http.post(path, json=wrong | {"enforce_parameter_schema": False}), 201)
        api.deployment(status=200, parameter_openapi_schema=SCHEMA, parameters={"name": "given"})
        assert api.run(made["id"])["parameters"] == {"name": "given"}
        api.deployment(status=200, parameter_openapi_schema=SCHEMA, enforce_parameter_schema=False)
        assert api.run(made["id"])["parameters"] == {}

    @pytest.mark.parametrize(
        "schema",
        [
            {"type": "nonsense"},
            {"properties": {"a": {"pattern": "("}}},
            {"properties": {"a": {"$ref": "#/definitions/none"}}},
            {"properties": {"a": {"$ref": "http://127.0.0.1:9/schema.json"}}},
            {"required": "a"},
        ],
    )
    def test_a_schema_that_is_none_is_refused_before_a_run_needs_it(self, api: Api, schema: Any) -> None:
        api.pool()
        body = api.body(parameter_openapi_schema=schema, parameters={"a": "x"})
        refused(api.http.post("deployments/", json=body), 422, "parameter_openapi_schema")
        made = api.deployment()
        body = {"parameter_openapi_schema": schema}
        refused(api.http.patch(f"deployments/{made['id']}", json=body), 422, "parameter_openapi_schema")

    def test_filters(self, api: Api) -> None:
        api.pool()
        api.pool("other")
        api.deployment("a", tags=["x"])
        api.deployment("b", paused=True, work_pool_name="other")
        api.deployment("c", work_pool_name=None)

        def names(**body: Any) -> list[str]:
            assert ok(api.http.post("deployments/count", json=body)) >= 0
            return [each["name"] for each in ok(api.http.post("deployments/filter", json=body))]

        assert names() == ["a", "b", "c"]
        assert names(sort="NAME_DESC", limit=1, offset=1) == ["b"]
        assert names(deployments={"tags": {"all_": ["x"]}}) == ["a"]
        assert names(deployments={"paused": {"eq_": True}}) == ["b"]
        assert names(work_pools={"name": {"any_": ["other"]}}) == ["b"]
        assert names(flows={"name": {"any_": ["none"]}}) == []
        assert names(deployments={"flow_or_deployment_name": None}) == ["a", "b", "c"], "null asks for nothing"
        refused(api.http.post("deployments/filter", json={"deployments": {"nme": {"any_": []}}}), 422, "nme")
        refused(api.http.post("deployments/count", json={"deployments": {"nme": {"any_": []}}}), 422, "nme")
