"""What Prefect's own web page asks for, request by request, and what its own server answered: ours has to fit.

`data/ui_requests.jsonl` has 182 requests that two generations of the page (of Prefect 3.8.8) made on 48 pages of a
server with data, with the status of the answer and the keys in it, down to what users choose themselves (parameters,
labels, payloads). Ids are by name: the objects of these names are made here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from skylift.api import create_app, sites
from skylift.cli.lookup import is_id
from skylift.ids import new_id
from skylift.parts import Parts
from skylift.schedule import schedule
from skylift.settings import Ui
from skylift.store.tables import flow_runs
from tests.api.events_making import of_task_run, send
from tests.api.making import Api, client_of, ok
from tests.conftest import Databases
from tests.support.installation import Installation
from tests.support.response_schemas import LEFT_OUT, operation_of, problems

REQUESTS: list[dict[str, Any]] = [
    json.loads(line) for line in (Path(__file__).with_name("data") / "ui_requests.jsonl").read_text().splitlines()
]
PAGES = "/v2"
"""Then the page asks for its settings where it does with its own server."""
OURS = {
    r"\.created_by\.display_value": "only users of Prefect's cloud have one",
    **LEFT_OUT,
}
_OURS = re.compile("(" + "|".join(OURS) + ")$")


def at(clock: str) -> datetime:
    """A time of the day on which the requests were made: they ask for the day and the week before."""
    return datetime.fromisoformat(f"2026-11-21T{clock}").replace(tzinfo=UTC)


@dataclass
class World:
    """A server with what the requests ask for."""

    api: Api
    ids: dict[str, str]

    def ended(self, name: str, run: str, *states: str) -> None:
        self.ids[name] = run
        for state in states:
            ok(self.api.propose(run, state, force=True), 201)

    def now(self, clock: str) -> None:
        self.api.place.clock.at = at(clock)


@pytest.fixture(scope="module")
def world(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("page")
    (folder / "index.html").write_text("<p>page</p>")
    with databases.sqlite() as url:
        place = Installation(url)
        settings = place.parts.settings.model_copy(
            update={"ui": Ui.PREFECT, "prefect_ui_folder": folder, "prefect_ui_path": PAGES}
        )
        parts = Parts(settings, place.store, place.parts.providers, place.parts.sealer)
        with client_of(create_app(parts, pages=sites.routes(parts))) as http:
            made = World(Api(http, place), {})
            made.now("22:00:00")
            _pools(made)
            _deployments(made)
            _runs(made)
            _parent(made)
            _values(made)
            made.now("22:38:00")
            yield made
        place.close()


def _pools(world: World) -> None:
    api = world.api
    world.ids["pool"] = api.pool("aws-push", concurrency_limit=5)["id"]
    for name in ("gcp-push", "azure-push"):
        api.pool(name)
    api.pool("local", type="process")
    for name, priority in (("critical", 1), ("high", 2), ("low", 9)):
        world.ids["queue"] = api.queue(name, "aws-push", priority=priority)["id"]


def _deployments(world: World) -> None:
    ids = world.ids
    for number, (flow, pool, queue) in enumerate(
        [
            ("etl", "aws-push", "critical"),
            ("etl", "aws-push", "high"),
            ("etl", "aws-push", None),
            ("report", "gcp-push", None),
            ("report", "local", None),
        ],
        1,
    ):
        ids[f"flow_{1 if flow == 'etl' else 2}"] = world.api.flow(flow)
        body: dict[str, Any] = {
            "name": f"d{number}",
            "flow_id": world.api.flow(flow),
            "work_pool_name": pool,
            "work_queue_name": queue,
            "job_variables": {"command": "true"},
            "parameters": {"n": 1},
            "parameter_openapi_schema": {"type": "object", "properties": {"n": {"type": "integer"}}},
            "tags": ["t"],
            "schedules": [{"schedule": {"cron": "30 * * * *"}}],
            "pull_steps": [{"step": {}}],
        }
        ids[f"deployment_{number}"] = ok(world.api.http.post("deployments/", json=body), 201)["id"]
    ids["flow_3"] = world.api.flow("child")
    schedule(world.api.place.parts)


def _runs(world: World) -> None:
    """Of each deployment some that ended, one that its schedule made, and some to come."""
    for number in range(1, 6):
        deployment = world.ids[f"deployment_{number}"]
        for end in ("COMPLETED", "FAILED") if number > 1 else ("COMPLETED", "FAILED", "CRASHED", "RUNNING"):
            run = world.api.run(deployment, parameters={"n": 2})["id"]
            world.now("22:10:00")
            world.ended(f"run_{number}", run, "PENDING", "RUNNING", end)
        rows = world.api.place.rows(flow_runs)
        scheduled = next(row for row in rows if row.auto_scheduled and row.deployment_id == UUID(deployment))
        world.now("22:20:00")
        world.ended(f"run_{number}", str(scheduled.id), "RUNNING", "COMPLETED")
        world.now("22:00:00")
    alone = ok(world.api.http.post("flow_runs/", json={"flow_id": world.ids["flow_3"]}), 201)["id"]
    world.ended("run_6", alone, "RUNNING", "COMPLETED")


def _parent(world: World) -> None:
    """A run of the first deployment with tasks that wait for each other, a subflow, logs and artifacts."""
    api, ids = world.api, world.ids
    world.now("22:28:16")
    run = api.run(ids["deployment_1"])["id"]
    world.ended("run", run, "PENDING", "RUNNING")
    for number in range(1, 7):
        key = f"task_{number}"
        ids[key] = str(new_id())
        before = [{"input_type": "task_run", "id": ids[f"task_{number - 1}"]}] if number > 1 else []
        values: dict[str, Any] = {"key": "extract", "dynamic_key": str(number), "task_inputs": {"x": before}}
        values |= {"start_time": api.at(), "expected_start_time": api.at(), "end_time": api.at()}
        values |= {"run_count": 1, "empirical_policy": {"retries": 0}}
        send(api, of_task_run(run, ids[key], "COMPLETED", at=api.place.clock.at, **values))
    task = {"flow_run_id": run, "task_key": "child", "dynamic_key": "0"}
    ids["subflow_task"] = ok(api.http.post("task_runs/", json=task), 201)["id"]
    body = {"flow_id": ids["flow_3"], "parent_task_run_id": ids["subflow_task"], "state": {"type": "PENDING"}}
    world.ended("subflow", ok(api.http.post("flow_runs/", json=body), 201)["id"], "RUNNING", "COMPLETED")
    ok(api.http.post(f"task_runs/{ids['subflow_task']}/set_state", json={"state": {"type": "COMPLETED"}}), 201)
    line = {"name": "n", "level": 20, "message": "m", "timestamp": api.at(), "flow_run_id": run}
    ok(api.http.post("logs/", json=[line]), 201)
    for kind, key in (("markdown", "report"), ("table", "rows"), ("table", "rows")):
        artifact = {"key": key, "type": kind, "data": "[]", "flow_run_id": run}
        ids["artifact"] = ok(api.http.post("artifacts/", json=artifact), 201)["id"]
    world.ended("run", run, "COMPLETED")


def _values(world: World) -> None:
    http = world.api.http
    world.ids["block_type"] = ok(http.get("block_types/slug/secret"))["id"]


def _named(value: Any, ids: Mapping[str, str]) -> Any:
    """With the ids that the names in braces stand for."""
    if isinstance(value, dict):
        return {key: _named(each, ids) for key, each in value.items()}
    if isinstance(value, list):
        return [_named(each, ids) for each in value]
    return re.sub(r"\{(\w+)\}", lambda found: ids[found[1]], value) if isinstance(value, str) else value


def _keys(value: Any, here: str = "") -> Iterator[str]:
    """Every key in it and above, as the record has them: `.results[].state.name`."""
    yield here
    if isinstance(value, dict):
        for key, each in value.items():
            yield from _keys(each, f"{here}.{'*' if is_id(key) else key}")
    elif isinstance(value, list):
        yield f"{here}[]"
        for each in value:
            yield from _keys(each, f"{here}[]")


def _is_empty(body: Any) -> bool:
    if isinstance(body, dict):
        return not body.get("results", body.get("events", True))
    return not body


@pytest.mark.parametrize("number", range(len(REQUESTS)))
def test_an_answer_fits(world: World, number: int) -> None:
    request = REQUESTS[number]
    path = _named(request["path"], world.ids)
    url = f"http://skylift{path}" if path.startswith("/") else path
    answer = world.api.http.request(request["method"], url, json=_named(request.get("body"), world.ids))
    assert answer.status_code == request["status"], answer.text
    if request["status"] != 200:
        return
    body = answer.json()
    operation = operation_of(request["method"], f"/{path}")
    if operation and path != "admin/settings":
        assert problems(operation, body) == []
    missing = set(request.get("keys", "").split()) - set(_keys(body))
    assert sorted(each for each in missing if not _OURS.search(each)) == []
    assert request["is_empty"] or not _is_empty(body), "there was something, and the world here has it, too"


def test_all_are_there() -> None:
    assert len(REQUESTS) == 182
    assert len({(each["method"], each["path"]) for each in REQUESTS}) == 62


def test_of_the_settings_nothing_is_told_but_what_switches_off(world: World) -> None:
    told = {"server": {"analytics_enabled": False, "ui": {"show_promotional_content": False}}}
    assert ok(world.api.http.get("admin/settings")) == told
