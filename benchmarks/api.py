"""The HTTP API against a real `prefect server`: the same requests, from the same client, in one run.

Each server has a fresh database of its own and the same pool, deployment and flow runs in it. The operations take
turns between the servers, and each turn's rates are compared with each other: a busy moment of the machine meets both.
Turns are short, and of a fixed time, so the whole takes the same few minutes on every machine.

`python -m benchmarks.api [sqlite] [postgres] [--turns 15]`
"""

from __future__ import annotations

import argparse
import http.client
import json
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from statistics import geometric_mean, median
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from benchmarks import postgres
from benchmarks.table import print_machine, print_table
from tests.clients.differential.play import reference_server
from tests.conftest import Kind
from tests.support.service import How, serving

PREFECT = Path(__file__).parents[1] / ".venv-prefect" / "bin" / "python"
TURNS = 15
SECONDS = 0.4
"""Of each operation in each turn."""
REST = 1.0
"""Before each turn: what the servers still do behind their last answers must not be the first operation's burden."""
CLIENTS: dict[Kind, int] = {"sqlite": 1, "postgres": 4}
"""On SQLite one: with more, the real server's transactions lock each other out, for a minute at times."""
RUNS = 200
"""In the database before."""
PATIENCE = 70.0
"""Seconds for one request: a little longer than the real server waits for its SQLite. Who hangs up before that leaves
it locked."""
GIVEN_UP, PAUSE = 120.0, 0.02
"""Seconds for which a request is repeated, and between two of them: less than the real client waits."""
BAR = 3.0
MEAN_BAR = 5.0
TEMPLATE = {
    "job_configuration": {"command": "{{ command }}", "env": "{{ env }}"},
    "variables": {"type": "object", "properties": {"command": {"type": "string"}, "env": {"type": "object"}}},
}


class Client(threading.local):
    """A kept connection for each thread. It does as little as possible: what it costs is taken from both servers."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.base = parts.path
        self.connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=PATIENCE)

    def request(self, method: str, path: str, body: bytes | None) -> tuple[int, bytes]:
        self.connection.request(method, self.base + path, body, {"Content-Type": "application/json"} if body else {})
        answer = self.connection.getresponse()
        return answer.status, answer.read()


@dataclass
class Server:
    """One of those that are compared, and what the operations need to know of it."""

    name: str
    client: Client
    pool: str = "bench"
    deployment: str = ""
    flow: str = ""
    runs: list[str] = field(default_factory=list)
    fresh: Iterator[int] = field(default_factory=count)
    rates: dict[str, list[float]] = field(default_factory=dict)
    asked_again: Counter[str] = field(default_factory=Counter)
    """Why."""

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """The answer's JSON. A server that is busy, hangs up or does not answer is asked again, as the real client does
        it."""
        content = None if body is None else json.dumps(body).encode()
        deadline = time.monotonic() + GIVEN_UP
        status, answer = 0, b""
        while time.monotonic() < deadline:
            try:
                status, answer = self.client.request(method, path, content)
            except (http.client.HTTPException, OSError) as error:
                self.client.connection.close()
                self.asked_again[type(error).__name__] += 1
                continue
            if status < 300:
                return json.loads(answer) if answer else None
            if status != 503:
                break
            self.asked_again["503"] += 1
            time.sleep(PAUSE)
        raise RuntimeError(f"{self.name}: {method} {path}: {status} {answer[:300]!r}")

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
    parser = argparse.ArgumentParser(prog="python -m benchmarks.api", description="Our API against `prefect server`.")
    parser.add_argument("databases", nargs="*", default=["sqlite", "postgres"], metavar="sqlite|postgres")
    parser.add_argument("--turns", type=int, default=TURNS, help=f"of each server (default: {TURNS})")
    asked = parser.parse_args()
    print_machine()
    missed = False
    for kind in asked.databases:
        missed |= _compare(kind, asked.turns)
    return int(missed)


def _compare(kind: Kind, turns: int) -> bool:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        theirs, ours = folder / "prefect", folder / "skylift"
        for each in (theirs, ours):
            each.mkdir()
        their_database, our_database = _databases(kind, ours, stack)
        prefect_url = stack.enter_context(reference_server(PREFECT, theirs, their_database))
        skylift_url = stack.enter_context(serving(ours, How.PLAIN, SKYLIFT_DATABASE_URL=our_database)).url
        servers = [
            Server(name, Client(url)) for name, url in (("prefect server", prefect_url), ("skylift", skylift_url))
        ]
        for server in servers:
            server.fill()
        with ThreadPoolExecutor(CLIENTS[kind]) as clients:
            for _ in range(turns):
                time.sleep(REST)
                for name, (operation, _) in OPERATIONS.items():
                    for server in servers:
                        server.rates.setdefault(name, []).append(_rate(clients, CLIENTS[kind], server, operation))
        return _report(kind, turns, *servers)


def _databases(kind: Kind, ours: Path, stack: ExitStack) -> tuple[dict[str, str], str]:
    """The settings that give the real server its database (an SQLite file by default), and ours."""
    if kind == "sqlite":
        return {}, f"sqlite:///{ours / 'skylift.db'}"
    server = stack.enter_context(postgres.cluster())
    print(f"PostgreSQL {postgres.version(server)}")
    url = postgres.create(server, "prefect").replace("postgresql://", "postgresql+asyncpg://")
    return {"PREFECT_API_DATABASE_CONNECTION_URL": url}, postgres.create(server, "skylift")


def _rate(clients: ThreadPoolExecutor, number: int, server: Server, operation: Callable[[Server], object]) -> float:
    """Operations a second."""
    began = time.perf_counter()

    def go_on() -> int:
        done = 0
        while time.perf_counter() < began + SECONDS:
            operation(server)
            done += 1
        return done

    done = sum(each.result() for each in [clients.submit(go_on) for _ in range(number)])
    return done / (time.perf_counter() - began)


def _report(kind: Kind, turns: int, theirs: Server, ours: Server) -> bool:
    rows, ratios = [], []
    for name, (_, requests) in OPERATIONS.items():
        their, our = (median(server.rates[name]) * requests for server in (theirs, ours))
        ratios.append(median(mine / other for mine, other in zip(ours.rates[name], theirs.rates[name], strict=True)))
        rows.append((name, their, our, ratios[-1]))
    mean = geometric_mean(ratios)
    print_table(
        f"{kind}: requests a second, clients: {CLIENTS[kind]}, medians of {turns} turns of {SECONDS:g} s "
        f"(bars: {BAR:g} times each, {MEAN_BAR:g} in the geometric mean)",
        ("Operation", "prefect server", "skylift", "times"),
        [*rows, ("geometric mean", "", "", mean)],
    )
    for server in (theirs, ours):
        print(f"\n{server.name} had to be asked again: {dict(server.asked_again) or 'never'}")
    return min(ratios) < BAR or mean < MEAN_BAR


if __name__ == "__main__":
    sys.exit(main())
