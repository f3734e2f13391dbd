"""What the token of a run is told: of its own runs, and of nobody else's, by every route that there is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from fastapi.routing import APIRoute

from skylift.api import callers, scopes
from skylift.api.app import ROUTERS
from skylift.api.scopes import Scope
from skylift.ids import RUN_TOKEN_PREFIX, new_id, new_token, token_hash
from skylift.store import attempts
from tests.api.making import Api, api_of, attempt_id_of, ok, refused

MARK = "of-another-run"
"""In the names and texts of all that the other run has: an answer that holds it, or one of its ids, tells too much."""


@dataclass(frozen=True, slots=True)
class World:
    """Two runs of a deployment with all that runs have, and the token of the first."""

    api: Api
    deployment: str
    run: str
    other: str
    theirs: dict[str, str]
    """The other one's ids, by the names that paths give them."""
    token: dict[str, str]


@pytest.fixture
def world(api: Api) -> World:
    return _world(api)


def _world(api: Api) -> World:
    api.pool()
    deployment = api.deployment()["id"]
    run = api.run(deployment, name="mine")
    other = api.run(deployment, name=MARK)
    token = RUN_TOKEN_PREFIX + new_token()
    containers = {str(each.launch.flow_run_id): each for each in api.launch()}
    api.place.store.transaction(attempts.change, attempt_id_of(containers[run["id"]]), token_hash=token_hash(token))
    owned = [_belongings(api, each["id"], name) for each, name in ((run, "mine"), (other, MARK))]
    theirs = owned[1] | {
        "flow_run_id": other["id"],
        "state_id": api.read(other["id"])["state_id"],
        "attempt_id": str(attempt_id_of(containers[other["id"]])),
    }
    return World(api, deployment, run["id"], other["id"], theirs, {"Authorization": f"Bearer {token}"})


def _belongings(api: Api, run: str, name: str) -> dict[str, str]:
    http = api.http
    task = {"flow_run_id": run, "task_key": "t", "dynamic_key": "0", "name": name}
    task_run = ok(http.post("task_runs/", json=task | {"state": {"type": "RUNNING", "message": name}}), 201)
    artifact = {"key": name, "flow_run_id": run, "task_run_id": task_run["id"], "data": name}
    line = {"name": name, "level": 20, "message": name, "timestamp": api.at(), "flow_run_id": run}
    ok(http.post("logs/", json=[line]), 201)
    ok(http.post(f"flow_runs/{run}/input", json={"key": name, "value": name}), 201)
    event = {
        "id": str(new_id()),
        "occurred": api.at(),
        "event": f"prefect.flow-run.{name}",
        "resource": {"prefect.resource.id": f"prefect.flow-run.{run}"},
    }
    ok(http.post("events", json=[event]), 204)
    return {
        "task_run_id": task_run["id"],
        "artifact_id": ok(http.post("artifacts/", json=artifact), 201)["id"],
        "key": name,
    }


def _routes() -> Iterator[tuple[str, APIRoute]]:
    for router in ROUTERS:
        for route in router.routes:
            assert isinstance(route, APIRoute)
            for method in route.methods or ():
                if scopes.declared(route) is not Scope.OPEN:
                    yield method, route


def _bodies(world: World) -> list[Any]:
    """What a run may send to ask for everything, or for the other run by name."""
    ids = {"any_": [world.other]}
    tasks = {"any_": [world.theirs["task_run_id"]]}
    page = {"limit": 200}
    span = {"history_start": world.api.at(-86400), "history_end": world.api.at(86400), "history_interval_seconds": 3600}
    return [
        page,
        page | span,
        page | span | {"flow_runs": {"id": ids}},
        page | {"flow_runs": {"id": {"not_any_": [world.run]}}},
        page | {"flow_runs": {"operator": "or_", "name": {"like_": "a"}, "id": ids}},
        page | {"task_runs": {"id": tasks}},
        page | {"artifacts": {"flow_run_id": ids}},
        page | {"artifacts": {"key": {"any_": [MARK]}}},
        page | {"logs": {"flow_run_id": ids}},
        page | {"filter": {"resource": {"id_prefix": ["prefect.flow-run."]}}},
        page | {"flow_runs": {"id": ids}, "seen_by": world.other},
        {"prefix": "", "limit": 100},
        {"state": {"type": "CANCELLED"}, "force": True},
        {"name": "x", "flow_run_id": world.other, "task_run_id": world.theirs["task_run_id"], "key": "x"},
        [{"name": "x", "level": 1, "message": "x", "timestamp": world.api.at(), "flow_run_id": world.other}],
        {"instance": "x", "outcome": "completed"},
    ]


def test_no_route_tells_a_run_of_another(sqlite_url: str) -> None:
    """A new route is asked as well: it answers 403, 404 or 422, or of the run's own things only."""
    for api in api_of(sqlite_url):
        world = _world(api)
        before = _state_of_the_other(world)
        for method, route in _routes():
            _ask(world, method, route)
        assert _state_of_the_other(world) == before


def _ask(world: World, method: str, route: APIRoute) -> None:
    http = world.api.http
    values = {"name": MARK, "flow_name": "flow", "countable": "day"} | world.theirs
    path = route.path
    for name in route.param_convertors:
        path = path.replace("{" + name + "}", values.get(name, str(new_id()))).replace("{" + name + ":path}", MARK)
    secrets = [world.other, MARK, *world.theirs.values()]
    query = f"?flow_run_id={world.other}&task_run_id={world.theirs['task_run_id']}&page-token=x"
    for body in _bodies(world) if method in ("POST", "PATCH", "PUT") else [None]:
        answer = http.request(method, path + query, json=body, headers=world.token)
        assert answer.status_code < 500, (method, path, body)
        if answer.status_code < 300:
            assert not [each for each in secrets if each in answer.text], (method, path, body, answer.text)


def _state_of_the_other(world: World) -> str:
    http = world.api.http
    run = {name: value for name, value in world.api.read(world.other).items() if not name.startswith("estimated_")}
    task = ok(http.get(f"task_runs/{world.theirs['task_run_id']}"))
    artifact = ok(http.get(f"artifacts/{world.theirs['artifact_id']}"))
    logs = ok(http.post("logs/filter", json={"logs": {"flow_run_id": {"any_": [world.other]}}}))
    inputs = ok(http.post(f"flow_runs/{world.other}/input/filter", json={"prefix": "", "limit": 9}))
    kept = {name: value for name, value in task.items() if not name.startswith("estimated_")}
    return json.dumps([run, kept, artifact, logs, inputs], sort_keys=True)


class TestWhatIsInSight:
    @pytest.fixture
    def http(self, world: World) -> Any:
        world.api.http.headers.update(world.token)
        return world.api.http

    def test_filters_are_narrowed(self, world: World, http: Any) -> None:
        assert [each["id"] for each in ok(http.post("flow_runs/filter", json={}))] == [world.run]
        assert ok(http.post("flow_runs/count", json={})) == 1
        page = ok(http.post("flow_runs/paginate", json={}))
        assert (page["count"], [each["id"] for each in page["results"]]) == (1, [world.run])
        assert {each["flow_run_id"] for each in ok(http.post("task_runs/filter", json={}))} == {world.run}
        assert ok(http.post("task_runs/count", json={})) == 1
        assert {each["flow_run_id"] for each in ok(http.post("artifacts/filter", json={}))} == {world.run}
        assert ok(http.post("artifacts/latest/count", json={})) == 1
        # Nor can others' runs be found out by way of what is shared.
        assert ok(http.post("flows/count", json={"flow_runs": {"name": {"any_": [MARK]}}})) == 0
        assert ok(http.post("flows/count", json={"flow_runs": {"name": {"any_": ["mine"]}}})) == 1
        assert ok(http.post("flows/count", json={"task_runs": {"name": {"any_": [MARK]}}})) == 0
        assert ok(http.post("deployments/count", json={"flow_runs": {"id": {"any_": [world.other]}}})) == 0

    def test_others_are_refused(self, world: World, http: Any) -> None:
        for path in (
            f"flow_runs/{world.other}",
            f"flow_runs/{new_id()}",
            f"flow_runs/{world.other}/states",
            f"flow_run_states/{world.theirs['state_id']}",
            f"flow_run_states/?flow_run_id={world.other}",
            f"task_runs/{world.theirs['task_run_id']}",
            f"task_run_states/?task_run_id={world.theirs['task_run_id']}",
            f"artifacts/{world.theirs['artifact_id']}",
            f"artifacts/{MARK}/latest",
        ):
            refused(http.get(path), 403, callers.OWN_ONLY)
        refused(http.get(f"task_runs/{new_id()}"), 404)

    def test_subflows_are_its_own(self, world: World, http: Any) -> None:
        above = world.run
        for depth in range(3):
            task = ok(http.post("task_runs/", json={"flow_run_id": above, "task_key": "s", "dynamic_key": "1"}), 201)
            body = {"flow_id": world.api.flow(), "parent_task_run_id": task["id"], "name": f"sub-{depth}"}
            above = ok(http.post("flow_runs/", json=body), 201)["id"]
            assert ok(http.get(f"flow_runs/{above}"))["name"] == f"sub-{depth}"
        assert ok(http.post("flow_runs/count", json={})) == 4
        assert ok(http.post("task_runs/count", json={"flow_runs": {"name": {"any_": ["sub-0"]}}})) == 1
        ok(http.post(f"flow_runs/{above}/set_state", json={"state": {"type": "RUNNING"}}), 201)

    def test_runs_that_it_asked_for_can_be_looked_after(self, world: World, http: Any) -> None:
        """`run_deployment(as_subflow=False)` makes a run without a parent, and asks how it is until it has ended."""
        path = f"deployments/{world.deployment}/create_flow_run"
        asked = ok(http.post(path, json={"idempotency_key": "k"}), 201)["id"]
        assert ok(http.get(f"flow_runs/{asked}"))["id"] == asked
        ok(http.post("logs/filter", json={"logs": {"flow_run_id": {"any_": [asked]}}}))
        assert ok(http.post("flow_runs/count", json={})) == 2
        refused(http.post(f"flow_runs/{asked}/set_state", json={"state": {"type": "CANCELLED"}}), 403)
        bulk = ok(http.post(f"{path}/bulk", json=[{}]))["results"]
        assert ok(http.get(f"flow_runs/{bulk[0]['flow_run_id']}"))

    def test_a_run_that_its_key_brought_as_well(self, world: World) -> None:
        http = world.api.http
        path = f"deployments/{world.deployment}/create_flow_run"
        there = ok(http.post(path, json={"idempotency_key": "k"}), 201)["id"]
        http.headers.update(world.token)
        refused(http.get(f"flow_runs/{there}"), 403)
        assert ok(http.post(path, json={"idempotency_key": "k"}))["id"] == there
        ok(http.get(f"flow_runs/{there}"))

    def test_what_is_deleted_is_forgotten(self, world: World) -> None:
        http = world.api.http
        path = f"deployments/{world.deployment}/create_flow_run"
        asked = ok(http.post(path, json={}, headers=world.token), 201)["id"]
        ok(http.delete(f"flow_runs/{asked}"), 204)
        assert ok(http.post("flow_runs/count", json={}, headers=world.token)) == 1
        refused(http.get(f"flow_runs/{asked}", headers=world.token), 403)
