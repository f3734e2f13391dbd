"""What pages ask for in an installation with 100,000 flow runs: how long each call of the API takes, on SQLite and on
PostgreSQL. The console's own reads, and those of Prefect's page as its browser sends them. Exits with 1 where one takes
longer than the bar.

    python -m benchmarks.console [--runs N] [--sqlite | --postgres]
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, get_args

from benchmarks.table import print_machine, print_table
from skylift.api import create_app
from tests.conftest import Databases, Kind
from tests.support.installation import START, Installation
from tests.support.volume import Volume, fill

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # starlette would rather have another HTTP library
    from fastapi.testclient import TestClient

BAR = 0.3
"""Seconds that the slowest call may take."""
ROUNDS = 3
Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a page."""

    page: str
    method: str
    path: str
    body: Body | None = None

    @property
    def name(self) -> str:
        """For a table."""
        text = json.dumps(self.body) if self.body else ""
        return f"{self.method} {self.path} {text}"[:110]


@dataclass(frozen=True, slots=True)
class Taken:
    """What a call took at best, in seconds."""

    call: Call
    wall: float
    cpu: float
    """Of this process: with SQLite the database's is in it."""
    size: int


def at(seconds: float) -> str:
    return (START + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


def calls(volume: Volume) -> list[Call]:
    return [*_console(volume), *_prefect(volume)]


def _console(volume: Volume) -> Iterator[Call]:
    deployment, flow = volume.deployments[0].id, volume.deployments[0].flow_id

    def get(page: str, *paths: str) -> Iterator[Call]:
        for path in paths:
            yield Call(page, "GET", f"skylift/{path}")

    yield from get("overview", "overview")
    pool = "work_pools/pool-0"
    yield from get("pool", pool, f"{pool}/slots", f"{pool}/waiting", f"{pool}/quota", f"{pool}/infrastructure")
    yield from get(
        "runs",
        "flow_runs",
        "flow_runs?limit=200",
        "flow_runs?state=FAILED&state=CRASHED",
        "flow_runs?state=CANCELLED",
        "flow_runs?state_name=Late",
        "flow_runs?name=run-777",
        "flow_runs?name=there-is-none",
        "flow_runs?tag=tag-7",
        "flow_runs?tag=there-is-none",
        "flow_runs?work_pool=pool-1",
        "flow_runs?work_pool=pool-1&work_queue=high",
        "flow_runs?work_pool=pool-1&state=FAILED",
        f"flow_runs?flow_id={flow}",
        f"flow_runs?deployment_id={deployment}",
        f"flow_runs?deployment_id={deployment}&state=RUNNING",
        f"flow_runs?since={at(-86_400)}&until={at(0)}",
        f"flow_runs?until={at(-15 * 86_400)}&state=FAILED",
    )
    run, waiting = f"flow_runs/{volume.run}", f"flow_runs/{volume.waiting}"
    yield from get("run", f"{run}/explain", f"{run}/logs", f"{waiting}/explain")
    day = f"from={at(-20 * 86_400)}&to={at(-19 * 86_400)}"
    slots = f"deployments/{deployment}/slots"
    yield from get("deployments", "deployments", f"deployments/{deployment}", slots, f"{slots}?{day}")
    yield from get("others", "webhooks/", "blocks", "variables", "session")


def _prefect(volume: Volume) -> Iterator[Call]:
    """As the page of Prefect 3.8.8 asks, with our ids and times."""
    first = volume.deployments[0]
    day, week = _expected(-86_400), _expected(-7 * 86_400)
    pool = {"work_pools": {"operator": "and_", "name": {"any_": ["pool-0"]}}}
    pool_id = {"work_pools": {"operator": "and_", "id": {"any_": [str(volume.pools[0].id)]}}}
    flow = {"flows": {"operator": "and_", "id": {"any_": [str(first.flow_id)]}}}
    deployment = {"deployments": {"operator": "and_", "id": {"any_": [str(first.id)]}}}
    newest = {"sort": "START_TIME_DESC", "limit": 10, "page": 1}
    failed = {"state": {"operator": "and_", "type": {"any_": ["FAILED", "CRASHED"]}}}
    over = {"state": {"operator": "and_", "type": {"any_": ["COMPLETED", "FAILED", "CRASHED", "RUNNING"]}}}
    started = {"start_time": {"after_": at(-86_400), "before_": at(0)}}
    stretch = {"history_start": at(-86_400), "history_end": at(0), "history_interval_seconds": 4320}
    of_run = {"flow_run_id": {"operator": "and_", "any_": [str(volume.run)], "is_null_": False}}
    none_below = {"subflow_runs": {"exists_": False}}

    def post(page: str, path: str, *bodies: Body) -> Iterator[Call]:
        for body in bodies:
            yield Call(f"prefect: {page}", "POST", path, body)

    yield from post("dashboard", "flow_runs/count", {}, day, _and(day, failed), {**pool_id, **day})
    yield from post("dashboard", "flow_runs/filter", _and(day, failed) | {"sort": "EXPECTED_START_TIME_DESC"})
    yield from post("dashboard", "flow_runs/filter", {**day, "sort": "EXPECTED_START_TIME_DESC"})
    yield from post(
        "dashboard", "flow_runs/filter", {**pool_id, **day, "sort": "EXPECTED_START_TIME_DESC", "limit": 24}
    )
    yield from post(
        "dashboard", "flow_runs/lateness", {**day, "sort": "ID_DESC"}, {**pool_id, **day, "sort": "ID_DESC"}
    )
    yield from post("dashboard", "task_runs/count", {"task_runs": none_below | started | over})
    yield from post("dashboard", "task_runs/history", {**stretch, "flow_runs": {}, "task_runs": started})
    yield from post("runs", "flow_runs/paginate", {**newest, "limit": 100}, {**newest, **week, "limit": 100})
    yield from post("runs", "flow_runs/count", week)
    yield from post("runs", "task_runs/count", {})
    yield from post("runs", "task_runs/paginate", {"sort": "EXPECTED_START_TIME_DESC", "limit": 100, "page": 1})
    yield from post("runs", "ui/flow_runs/history", {"sort": "EXPECTED_START_TIME_DESC", "limit": 1000, **week})
    yield from post("runs", "ui/flow_runs/count-task-runs", {"flow_run_ids": [str(volume.run), str(volume.waiting)]})
    yield from post("pool", "flow_runs/paginate", {**newest, **pool})
    yield from post("pool", "flow_runs/count", pool, pool | {"flow_runs": {"state": {"name": {"any_": ["Late"]}}}})
    yield from post("pool", "work_pools/pool-0/queues/filter", {})
    yield from post("flows", "flows/paginate", {"limit": 10, "page": 1})
    yield from post("flows", "ui/flows/next-runs", {"flow_ids": [str(first.flow_id)]})
    yield from post("flows", "ui/flows/count-deployments", {"flow_ids": [str(first.flow_id)]})
    begun = {"flow_runs": {"operator": "and_", "start_time": {"is_null_": False}}}
    yield from post("flow", "flow_runs/filter", {**flow, **begun, "limit": 60, "sort": "START_TIME_DESC"})
    yield from post("flow", "flow_runs/paginate", {**newest, **flow})
    yield from post("flow", "task_runs/count", {**flow, "task_runs": none_below | over | started})
    yield from post("flow", "task_runs/history", {**stretch, **flow, "task_runs": started})
    yield from post("deployments", "deployments/paginate", {"limit": 10, "page": 1})
    yield from post("deployment", "flow_runs/paginate", {**newest, **deployment})
    next_one = {
        "flow_runs": {"state": {"name": {"any_": ["Scheduled"]}}},
        "sort": "EXPECTED_START_TIME_ASC",
        "limit": 1,
    }
    yield from post("deployment", "flow_runs/filter", {**deployment, **next_one})
    yield Call("prefect: run", "GET", f"flow_runs/{volume.run}")
    yield Call("prefect: run", "GET", f"flow_runs/{volume.run}/graph-v2")
    yield from post("run", "task_runs/count", {"task_runs": of_run}, {"task_runs": of_run | none_below})
    yield from post("run", "task_runs/paginate", {"task_runs": of_run, "limit": 20, "page": 1})
    yield from post("run", "logs/filter", {"logs": {"flow_run_id": {"any_": [str(volume.run)]}}, "limit": 200})
    occurred = {"filter": {"occurred": {"since": at(-86_400), "until": at(0)}, "order": "DESC"}}
    yield from post("events", "events/filter", occurred | {"limit": 50})
    yield from post("events", "events/count-by/time", occurred | {"time_unit": "hour", "time_interval": 1})
    yield from post("events", "events/count-by/event", occurred | {"time_unit": "hour", "time_interval": 1})


def _expected(after: float) -> Body:
    return {"flow_runs": {"operator": "and_", "expected_start_time": {"after_": at(after), "before_": at(0)}}}


def _and(body: Body, more: Body) -> Body:
    return {"flow_runs": {**body["flow_runs"], **more}}


def measure(volume: Volume, rounds: int = ROUNDS) -> list[Taken]:
    """Each call at its best. Raises `AssertionError` for one that is refused."""
    app = create_app(volume.place.parts)
    with TestClient(app, base_url="http://skylift/api/") as http:
        return [_best(http, call, rounds) for call in calls(volume)]


def _best(http: TestClient, call: Call, rounds: int) -> Taken:
    walls, cpus = [], []
    for _ in range(rounds):
        wall, cpu = time.perf_counter(), time.process_time()
        answer = http.request(call.method, call.path, json=call.body)
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
        assert answer.status_code == 200, f"{call.name}: {answer.status_code} {answer.text[:200]}"
    return Taken(call, min(walls), min(cpus), len(answer.content))


def slowest(taken: Sequence[Taken], count: int) -> list[Taken]:
    return sorted(taken, key=lambda each: -each.wall)[:count]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=int, default=100_000)
    for kind in get_args(Kind):
        parser.add_argument(f"--{kind}", dest="kinds", action="append_const", const=kind)
    wanted = parser.parse_args()
    print_machine()
    missed = 0
    with tempfile.TemporaryDirectory() as folder:
        databases = Databases(Path(folder))
        for kind in wanted.kinds or get_args(Kind):
            with databases.fresh(kind) as url:
                place = Installation(url)
                taken = measure(fill(place, wanted.runs))
                place.close()
            rows = [
                [each.call.name, each.call.page, each.wall * 1000, each.cpu * 1000, each.size]
                for each in slowest(taken, len(taken))
            ]
            columns = ["call", "page", "ms", "ms of this process", "bytes"]
            print_table(f"{kind}: {wanted.runs:,} runs, the slowest first", columns, rows)
            missed += sum(each.wall > BAR for each in taken)
        databases.close()
    if missed:
        sys.exit(f"{missed} calls took longer than {BAR * 1000:g} ms")


if __name__ == "__main__":
    main()
