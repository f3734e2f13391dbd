"""The HTTP API against a real `prefect server`: the same requests, from the same client, in one run.

Each server has a fresh database of its own and the same pool, deployment and flow runs in it. The operations take
turns between the servers, so that a busy moment of the machine meets all of them.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from math import prod
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx

from benchmarks.table import print_machine, print_table
from tests.clients.differential.play import reference_server
from tests.conftest import Databases, Kind
from tests.support.service import How, serving

PREFECT = Path(__file__).parents[1] / ".venv-prefect" / "bin" / "python"
TURNS = 5
CLIENTS = 4
CALLS = 100
"""Of each operation in each turn, by all clients together."""
RUNS = 500
"""In the database before."""
BAR = 3.0
MEAN_BAR = 5.0
TEMPLATE = {
    "job_configuration": {"command": "{{ command }}", "env": "{{ env }}"},
    "variables": {"type": "object", "properties": {"command": {"type": "string"}, "env": {"type": "object"}}},
}


@dataclass
class Server:
    """One of those that are compared, and what the operations need to know of it."""

    name: str
    http: httpx.Client
    pool: str = "bench"
    deployment: str = ""
    flow: str = ""
    runs: list[str] = field(default_factory=list)
    fresh: Iterator[int] = field(default_factory=count)
    rates: dict[str, list[float]] = field(default_factory=dict)

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """The answer's JSON. A server that is busy (503) or hangs up is asked again, as the real client does it."""
        while True:
            try:
                response = self.http.request(method, path, json=body)
            except httpx.TransportError:
                continue
            if response.status_code != 503:
                break
        response.raise_for_status()
        return response.json() if response.content else None

    def fill(self) -> None:
        """The pool, the deployment, and some runs."""
        body = {"name": self.pool, "type": "process", "base_job_template": TEMPLATE}
        self.call("POST", "/work_pools/", body)
        self.flow = self.call("POST", "/flows/", {"name": "bench"})["id"]
        body = {"name": "bench", "flow_id": self.flow, "work_pool_name": self.pool, "entrypoint": "flow.py:flow"}
        self.deployment = self.call("POST", "/deployments/", body)["id"]
        self.runs = [self.create_run()["id"] for _ in range(RUNS)]

    def create_run(self) -> Any:
        at = datetime.now(UTC) + timedelta(hours=1)
        state = {"type": "SCHEDULED", "state_details": {"scheduled_time": at.isoformat()}}
        return self.call("POST", f"/deployments/{self.deployment}/create_flow_run", {"state": state})

    def set_states(self) -> None:
        """A run that begins and ends: two proposals."""
        run = self.call("POST", "/flow_runs/", {"flow_id": self.flow, "state": {"type": "PENDING"}})["id"]
        for type_ in ("RUNNING", "COMPLETED"):
            details = {"transition_id": str(uuid4())}
            self.call("POST", f"/flow_runs/{run}/set_state", {"state": {"type": type_, "state_details": details}})


def some_run(server: Server) -> str:
    return server.runs[next(server.fresh) % RUNS]


OPERATIONS: dict[str, tuple[Callable[[Server], object], int]] = {
    "read a work pool": (lambda s: s.call("GET", f"/work_pools/{s.pool}"), 1),
    "create a work pool": (
        lambda s: s.call("POST", "/work_pools/", {"name": f"p-{next(s.fresh)}", "type": "process"}),
        1,
    ),
    "read a deployment": (lambda s: s.call("GET", f"/deployments/{s.deployment}"), 1),
    "update a deployment": (
        lambda s: s.call("PATCH", f"/deployments/{s.deployment}", {"description": str(next(s.fresh))}),
        1,
    ),
    "create_flow_run": (lambda s: s.create_run(), 1),
    "read a flow run": (lambda s: s.call("GET", f"/flow_runs/{some_run(s)}"), 1),
    "filter flow runs (20 of them)": (
        lambda s: s.call("POST", "/flow_runs/filter", {"limit": 20, "sort": "EXPECTED_START_TIME_DESC"}),
        1,
    ),
    "create, run and complete a run": (lambda s: s.set_states(), 3),
    "get_scheduled_flow_runs": (
        lambda s: s.call("POST", f"/work_pools/{s.pool}/get_scheduled_flow_runs", {"limit": 20}),
        1,
    ),
}
"""What is done, and how many requests that takes."""


def main() -> int:
    """Print the tables; 1 where a bar is missed."""
    print_machine()
    missed = False
    with tempfile.TemporaryDirectory() as folder:
        databases = Databases(Path(folder))
        try:
            for kind in ("sqlite", "postgres"):
                missed |= _compare(databases, kind, Path(folder) / kind)
        finally:
            databases.close()
    return int(missed)


def _compare(databases: Databases, kind: Kind, folder: Path) -> bool:
    with ExitStack() as stack:
        theirs, ours = folder / "prefect", folder / "skylift"
        for each in (theirs, ours):
            each.mkdir(parents=True)
        base: dict[str, str] = {}
        if kind == "postgres":
            url = stack.enter_context(databases.unmigrated())
            base["PREFECT_API_DATABASE_CONNECTION_URL"] = url.replace("postgresql://", "postgresql+asyncpg://")
        prefect_url = stack.enter_context(reference_server(PREFECT, theirs, base))
        database = stack.enter_context(databases.fresh(kind))
        skylift_url = stack.enter_context(serving(ours, How.PLAIN, SKYLIFT_DATABASE_URL=database)).url
        servers = [
            Server(name, stack.enter_context(httpx.Client(base_url=url, timeout=60)))
            for name, url in (("prefect server", prefect_url), ("skylift", skylift_url))
        ]
        for server in servers:
            server.fill()
        with ThreadPoolExecutor(CLIENTS) as clients:
            for _ in range(TURNS):
                for name, (operation, _) in OPERATIONS.items():
                    for server in servers:
                        server.rates.setdefault(name, []).append(_rate(clients, server, operation))
        return _report(kind, *servers)


def _rate(clients: ThreadPoolExecutor, server: Server, operation: Callable[[Server], object]) -> float:
    """Operations a second."""
    began = time.perf_counter()
    for _ in clients.map(lambda _: operation(server), range(CALLS)):
        pass
    return CALLS / (time.perf_counter() - began)


def _report(kind: Kind, theirs: Server, ours: Server) -> bool:
    rows, ratios = [], []
    for name, (_, requests) in OPERATIONS.items():
        their, our = max(theirs.rates[name]) * requests, max(ours.rates[name]) * requests
        ratios.append(our / their)
        rows.append((name, their, our, our / their))
    mean = prod(ratios) ** (1 / len(ratios))
    print_table(
        f"{kind}: requests a second, {CLIENTS} clients, best of {TURNS} turns of {CALLS} "
        f"(bars: {BAR:g} times each, {MEAN_BAR:g} in the geometric mean)",
        ("Operation", "prefect server", "skylift", "times"),
        [*rows, ("geometric mean", "", "", mean)],
    )
    return min(ratios) < BAR or mean < MEAN_BAR


if __name__ == "__main__":
    sys.exit(main())
