"""Real workers, and a real process that serves a deployment: they pull, and this server holds the limits."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.clients.conftest import Prefect, Server, until
from tests.support.service import PATIENCE

FLOWS = """
import time
from prefect import flow, task


@task
def double(number: int) -> int:
    return 2 * number


@flow(log_prints=True)
def pulled(number: int = 21):
    print(f"the answer is {double(number)}")


@flow
def slow(seconds: float = 60):
    for _ in range(int(seconds * 10)):
        time.sleep(0.1)
"""
SERVE = """
from flows import pulled

if __name__ == "__main__":
    pulled.serve(name="served", pause_on_shutdown=False)
"""
DEPLOY = """
import json
from prefect import flow

wanted = json.loads({wanted!r})
made = flow.from_source(wanted["folder"], wanted["entrypoint"]).deploy(
    wanted["name"], work_pool_name=wanted["pool"], print_next_steps=False, concurrency_limit=wanted["limit"]
)
print(json.dumps(str(made)))
"""
RUNS = """
import json
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterName

with get_client(sync_client=True) as client:
    wanted = DeploymentFilter(name=DeploymentFilterName(any_=["{deployment}"]))
    print(json.dumps({{str(run.id): run.state.name for run in client.read_flow_runs(deployment_filter=wanted)}}))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("flows")
    (made / "flows.py").write_text(FLOWS)
    return made


def deploy(prefect: Prefect, folder: Path, name: str, pool: str, entrypoint: str, limit: int | None = None) -> None:
    wanted = {"folder": str(folder), "entrypoint": f"flows.py:{entrypoint}", "name": name, "pool": pool, "limit": limit}
    prefect.python(DEPLOY.format(wanted=json.dumps(wanted)))


def runs_of(prefect: Prefect, deployment: str) -> dict[str, str]:
    """The states of a deployment's runs, by their ids."""
    found: dict[str, str] = prefect.python(RUNS.format(deployment=deployment))
    return found


@contextmanager
def started(server: Server, *command: str | Path) -> Iterator[Path]:
    """A process that goes on until it is stopped here; what it prints is in this file."""
    log = server.home / f"{len(list(server.home.iterdir()))}.log"
    with (
        log.open("w") as out,
        subprocess.Popen(command, env=server.env, cwd=server.home, stdout=out, stderr=subprocess.STDOUT) as process,
    ):
        try:
            yield log
        finally:
            process.terminate()
            process.wait(PATIENCE)


@pytest.mark.long
def test_a_worker_serves_a_process_pool(server: Server, prefect: Prefect, prefect_python: Path, folder: Path) -> None:
    prefect("work-pool", "create", "pulled", "--type", "process")
    assert "NOT_READY" in prefect("work-pool", "inspect", "pulled")
    deploy(prefect, folder, "by-worker", "pulled", "pulled")
    prefect("deployment", "run", "pulled/by-worker", "--param", "number=4")
    executable = prefect_python.with_name("prefect")
    done = subprocess.run(
        [executable, "worker", "start", "--pool", "pulled", "--name", "one", "--run-once"],
        env=server.env,
        cwd=server.home,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    )
    run, state = runs_of(prefect, "by-worker").popitem()
    assert state == "Completed", done.stdout + done.stderr
    assert "the answer is 8" in prefect("flow-run", "logs", run)
    assert "WorkPoolStatus.READY" in prefect("work-pool", "inspect", "pulled")


@pytest.mark.long
def test_limits_and_cancellation_reach_a_worker(
    server: Server, prefect: Prefect, prefect_python: Path, folder: Path
) -> None:
    prefect("work-pool", "create", "limited", "--type", "process")
    prefect("work-pool", "set-concurrency-limit", "limited", "2")
    deploy(prefect, folder, "one-at-a-time", "limited", "slow", limit=1)
    deploy(prefect, folder, "any", "limited", "slow")
    for _ in range(2):
        prefect("deployment", "run", "slow/one-at-a-time")
    worker = (prefect_python.with_name("prefect"), "worker", "start", "--pool", "limited", "--name", "two")
    with started(server, *worker) as log:
        states = ["AwaitingConcurrencySlot", "Running"]
        until(lambda: sorted(runs_of(prefect, "one-at-a-time").values()) == states)
        for _ in range(3):
            prefect("deployment", "run", "slow/any")
        until(lambda: "Running" in runs_of(prefect, "any").values())
        first = {state: run for run, state in runs_of(prefect, "one-at-a-time").items()}
        prefect("flow-run", "cancel", first["Running"])
        until(lambda: runs_of(prefect, "one-at-a-time")[first["Running"]] == "Cancelled")
        until(lambda: list(runs_of(prefect, "any").values()).count("Running") == 2)
        shown = prefect("work-pool", "slots", "limited")
        assert "2" in shown
        assert "Flow run limit" not in log.read_text()
        for deployment in ("any", "one-at-a-time"):
            for run, state in runs_of(prefect, deployment).items():
                if state != "Cancelled":
                    prefect("flow-run", "cancel", run)
        until(lambda: set(runs_of(prefect, "any").values()) == {"Cancelled"})


@pytest.mark.long
def test_a_process_serves_a_deployment(server: Server, prefect: Prefect, prefect_python: Path, folder: Path) -> None:
    script = folder / "serve.py"
    script.write_text(SERVE)
    with started(server, prefect_python, script):
        until(lambda: "pulled/served" in prefect("deployment", "ls"))
        until(lambda: "'status': 'READY'" in prefect("deployment", "inspect", "pulled/served"))
        prefect("deployment", "run", "pulled/served", "--param", "number=5")
        until(lambda: list(runs_of(prefect, "served").values()) == ["Completed"])
        run = next(iter(runs_of(prefect, "served")))
        until(lambda: "the answer is 10" in prefect("flow-run", "logs", run))
