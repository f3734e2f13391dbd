"""The systems that are compared, each set up the way its documentation starts it, over the same local ECS."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from benchmarks import api, postgres
from benchmarks.peers import processes
from benchmarks.peers.ecs import CLUSTER, Endpoint
from tests.clients.differential.play import reference_server
from tests.conftest import Kind
from tests.support.service import How, client_environment, serving

PEERS = Path(__file__).parents[2] / ".venv-peers" / "bin"
POOL = "bench"
JOB: dict[str, Any] = {
    "cluster": CLUSTER,
    "image": "example/flows:1",
    "execution_role_arn": "arn:aws:iam::000000000000:role/execution",
    "cpu": 256,
    "memory": 512,
    "configure_cloudwatch_logs": False,
}
"""Of every run, by the names that both templates have for it."""
UNLIMITED = 100_000
PAGE = 200
PATIENCE = 120.0


@dataclass
class System:
    """One of them, running, with a pool, a flow and a deployment."""

    name: str
    server: api.Server
    clients: int
    """How many make runs side by side."""
    pids: set[int]

    def use(self) -> processes.Use:
        """Of server and worker; a PostgreSQL is not counted."""
        return processes.use_of(self.pids)

    def create_runs(self, due: Sequence[datetime]) -> list[str]:
        """Their ids, in the order of these times."""

        def create(at: datetime) -> str:
            state = {"type": "SCHEDULED", "state_details": {"scheduled_time": at.isoformat()}}
            path = f"/deployments/{self.server.deployment}/create_flow_run"
            made: str = self.server.call("POST", path, {"state": state})["id"]
            return made

        with ThreadPoolExecutor(self.clients) as clients:
            return list(clients.map(create, due))

    def ends(self) -> dict[str, datetime]:
        """When each run that has ended did, by the system's own word."""
        found: dict[str, datetime] = {}
        offset = 0
        while True:
            asked = {"limit": PAGE, "offset": offset, "sort": "ID_DESC"}
            page = self.server.call("POST", "/flow_runs/filter", asked)
            found |= {run["id"]: datetime.fromisoformat(run["end_time"]) for run in page if run["end_time"]}
            if len(page) < PAGE:
                return found
            offset += PAGE


@contextmanager
def skylift(kind: Kind, folder: Path, ecs: Endpoint, *, limit: int | None = None) -> Iterator[System]:
    """`skylift serve`; the pool pushes."""
    with database(kind, folder) as url:
        before = processes.children()
        settings = {} if kind == "sqlite" else {"SKYLIFT_DATABASE_URL": url}
        with serving(folder, How.PLAIN, **ecs.environment, **settings) as service:
            server = api.Server("skylift", api.Client(service.url), pool=POOL)
            pool = {"name": POOL, "type": "ecs:push", "concurrency_limit": limit}
            # The local ECS refuses nothing: what is measured is what Skylift can do, not what Amazon lets it do.
            server.call("POST", "/work_pools/", pool | {"settings": {"launch_rate": UNLIMITED}})
            # What is played in the containers is the runner with a command in it, the least that reports its own end.
            how = {"entrypoint": "flows.py:flow", "engine": "prefect"} if limit is None else {"engine": "command"}
            _deploy(server, how, {} if limit is None else {"command": "/bin/true", "python": "python3"})
            yield System("skylift", server, api.CLIENTS[kind], processes.children() - before)


@contextmanager
def prefect(kind: Kind, folder: Path, ecs: Endpoint, *, limit: int | None = None) -> Iterator[System]:
    """`prefect server start` with all its services and `prefect worker start --type ecs`, with default settings."""
    with database(kind, folder) as url:
        before = processes.children()
        settings = (
            {} if kind == "sqlite" else {"PREFECT_API_DATABASE_CONNECTION_URL": url.replace("://", "+asyncpg://")}
        )
        for service in ("SCHEDULER", "LATE_RUNS", "FOREMAN"):
            settings[f"PREFECT_SERVER_SERVICES_{service}_ENABLED"] = "true"
        with (
            reference_server(PEERS / "python", folder, settings) as api_url,
            _prefect_worker(folder, api_url, ecs),
        ):
            server = api.Server("prefect", api.Client(api_url), pool=POOL)
            _wait_for_pool(server)
            if limit is not None:
                server.call("PATCH", f"/work_pools/{POOL}", {"concurrency_limit": limit})
            _deploy(server, {"entrypoint": "flows.py:flow", "path": "/"}, {})
            yield System("prefect", server, api.CLIENTS[kind], processes.children() - before)


@contextmanager
def _prefect_worker(folder: Path, url: str, ecs: Endpoint) -> Iterator[None]:
    command = [str(PEERS / "prefect"), "worker", "start", "--type", "ecs", "--pool", POOL]
    path = {"PATH": f"{PEERS}:{os.environ['PATH']}"}
    env = client_environment(url, folder) | ecs.environment | path
    with (folder / "worker.log").open("w") as log, subprocess.Popen(command, env=env, stdout=log, stderr=log) as worker:
        try:
            yield
        finally:
            worker.terminate()
            try:
                worker.wait(20)
            except subprocess.TimeoutExpired:
                worker.kill()


def _wait_for_pool(server: api.Server) -> None:
    """The worker makes it."""
    until = time.monotonic() + PATIENCE
    while not server.call("POST", "/work_pools/filter", {}):
        if time.monotonic() > until:
            raise RuntimeError("The worker has not made its pool")
        time.sleep(0.5)


def _deploy(server: api.Server, how: dict[str, Any], job: dict[str, Any]) -> None:
    server.flow = server.call("POST", "/flows/", {"name": "bench"})["id"]
    body = {"name": "bench", "flow_id": server.flow, "work_pool_name": POOL, "job_variables": JOB | job}
    server.deployment = server.call("POST", "/deployments/", body | how)["id"]


@contextmanager
def database(kind: Kind, folder: Path) -> Iterator[str]:
    """The URL of an empty one; for SQLite that of a file which nobody has made yet."""
    if kind == "sqlite":
        yield f"sqlite:///{folder / 'bench.db'}"
        return
    with postgres.cluster() as server:
        yield postgres.create(server, "bench")
