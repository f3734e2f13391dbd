"""Every command of the unmodified `prefect` that this server already answers, over HTTP."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.clients.conftest import Prefect, Server, until

FLOWS = """
import logging, time


def greet(name: str = "world", times: int = 1):
    for _ in range(times):
        print(f"Hello, {name}!")
        logging.getLogger("greeter").warning("waved")


def wait(seconds: float = 60):
    time.sleep(seconds)
"""
DEPLOYMENTS = """
deployments:
  - name: by-hand
    entrypoint: flows.py:greet
    work_pool: {name: runs, work_queue_name: first}
    tags: [example]
  - name: long
    entrypoint: flows.py:wait
    work_pool: {name: runs}
"""
UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def test_the_real_executable(server: Server, prefect_python: Path) -> None:
    """Started as people start it, once: the other tests fork instead."""
    made = subprocess.run(
        [prefect_python.with_name("prefect"), "work-pool", "create", "executable", "--type", "process:push"],
        env=server.env,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "Created work pool 'executable'" in made.stdout
    assert "Ready" in made.stdout
    assert "worker" not in made.stdout, "nobody has to start a worker for a push pool"


def test_work_pools(prefect: Prefect) -> None:
    said = prefect("work-pool", "create", "my-pool", "--type", "process:push")
    assert "Status: Ready" in said
    assert "already exists" in prefect("work-pool", "create", "my-pool", "--type", "process:push", code=1)
    assert "Unknown work pool type" in prefect("work-pool", "create", "x", "--type", "none:push", code=1)
    assert "process:push" in prefect("work-pool", "ls")
    prefect("work-pool", "ls", "--verbose")
    inspected = prefect("work-pool", "inspect", "my-pool")
    assert "WorkPoolStatus.READY" in inspected
    assert "'{{ command }}'" in inspected
    template = json.loads(prefect("work-pool", "get-default-base-job-template", "--type", "process:push"))
    assert template["variables"]["properties"]["runner"]["default"] is True
    assert "No runs found" in prefect("work-pool", "preview", "my-pool")

    prefect("work-pool", "pause", "my-pool")
    assert "PAUSED" in prefect("work-pool", "inspect", "my-pool")
    prefect("work-pool", "resume", "my-pool")
    prefect("work-pool", "set-concurrency-limit", "my-pool", "7")
    assert "concurrency_limit=7" in prefect("work-pool", "inspect", "my-pool")
    prefect("work-pool", "clear-concurrency-limit", "my-pool")
    prefect("work-pool", "update", "my-pool", "--description", "for tests", "--concurrency-limit", "3")
    inspected = prefect("work-pool", "inspect", "my-pool")
    assert "description='for tests'" in inspected
    assert "concurrency_limit=3" in inspected
    assert "READY" in inspected


@pytest.mark.long
def test_a_template_of_ones_own(prefect: Prefect, tmp_path: Path) -> None:
    template = tmp_path / "template.json"
    template.write_text(json.dumps({"job_configuration": {"command": "{{ nothing }}"}, "variables": {}}))
    create = ("work-pool", "create", "templated", "--type", "process:push", "--base-job-template", str(template))
    assert "nothing" in prefect(*create, code=1)
    template.write_text(json.dumps({"job_configuration": {"command": "true"}, "variables": {"type": "object"}}))
    prefect(*create)
    assert "'command': 'true'" in prefect("work-pool", "inspect", "templated")
    prefect("work-pool", "create", "templated", "--type", "process:push", "--overwrite", "--paused")
    assert "'{{ command }}'" in prefect("work-pool", "inspect", "templated")
    prefect("work-pool", "delete", "templated")
    assert "not found" in prefect("work-pool", "inspect", "templated", code=1)
    assert "does not exist" in prefect("work-pool", "delete", "templated", code=1)


@pytest.mark.long
def test_work_queues(prefect: Prefect) -> None:
    prefect("work-pool", "create", "queues", "--type", "process:push")
    of_pool = ("--pool", "queues")
    assert "high" in prefect("work-queue", "create", "high", *of_pool, "--limit", "2", "--priority", "1")
    prefect("work-queue", "create", "high", *of_pool, code=1)
    listed = prefect("work-queue", "ls", *of_pool)
    assert listed.index("high") < listed.index("default")
    assert "queues" in prefect("work-queue", "ls")
    assert "concurrency_limit=2" in prefect("work-queue", "inspect", "high", *of_pool)
    prefect("work-queue", "pause", "high", *of_pool)
    assert "PAUSED" in prefect("work-queue", "inspect", "high", *of_pool)
    prefect("work-queue", "resume", "high", *of_pool)
    prefect("work-queue", "clear-concurrency-limit", "high", *of_pool)
    assert "concurrency_limit=2" not in prefect("work-queue", "inspect", "high", *of_pool)
    prefect("work-queue", "set-concurrency-limit", "high", "5", *of_pool)
    assert "concurrency_limit=5" in prefect("work-queue", "inspect", "high", *of_pool)
    assert "No runs found" in prefect("work-queue", "preview", "high", *of_pool)
    prefect("work-queue", "delete", "high", *of_pool)
    assert "high" not in prefect("work-queue", "ls", *of_pool)


@pytest.fixture(scope="module")
def deployed(server: Server, prefect: Prefect, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Plain Python functions, deployed by `skylift deploy` into a pool that `prefect` made."""
    prefect("work-pool", "create", "runs", "--type", "process:push")
    folder = tmp_path_factory.mktemp("code")
    (folder / "flows.py").write_text(FLOWS)
    (folder / "skylift.yaml").write_text(DEPLOYMENTS)
    server.skylift("deploy", "--all", str(folder / "skylift.yaml"))


def run_of(prefect: Prefect, deployment: str, *options: str) -> str:
    """The id of a new run."""
    found = UUID.search(prefect("deployment", "run", deployment, *options))
    assert found
    return found.group()


def is_in(prefect: Prefect, run: str, type_: str) -> bool:
    return f"StateType.{type_}" in prefect("flow-run", "inspect", run)


@pytest.mark.usefixtures("deployed")
def test_deployments_and_their_schedules(prefect: Prefect) -> None:
    assert "greet/by-hand" in prefect("deployment", "ls")
    inspected = prefect("deployment", "inspect", "greet/by-hand")
    assert "'work_queue_name': 'first'" in inspected
    assert "'status': 'READY'" in inspected
    assert "greet" in prefect("flow", "ls")

    create = ("deployment", "schedule", "create", "greet/by-hand")
    prefect(*create, "--interval", "3600")
    prefect(*create, "--cron", "0 9 * * *", "--timezone", "Europe/Paris", "--no-active")
    prefect(*create, "--rrule", "FREQ=DAILY;BYHOUR=9")
    listed = prefect("deployment", "schedule", "ls", "greet/by-hand")
    for part in ("1:00:00", "0 9 * * *", "FREQ=DAILY", "False"):
        assert part in listed
    until(lambda: "No runs found" not in prefect("work-pool", "preview", "runs"))
    first = next(match.group() for line in listed.splitlines() if "1:00:00" in line and (match := UUID.search(line)))
    for verb in ("pause", "resume"):
        prefect("deployment", "schedule", verb, "greet/by-hand", first)
    prefect("deployment", "schedule", "delete", "greet/by-hand", first, "--accept-yes")
    assert "1:00:00" not in prefect("deployment", "schedule", "ls", "greet/by-hand")
    prefect("deployment", "schedule", "clear", "greet/by-hand", "--accept-yes")
    assert "No runs found" in prefect("work-pool", "preview", "runs")
    prefect("deployment", "inspect", "greet/none", code=1)


@pytest.mark.usefixtures("deployed")
def test_a_plain_function_runs_to_completed(prefect: Prefect) -> None:
    run = run_of(prefect, "greet/by-hand", "--param", "name=you", "--param", "times=2", "--tag", "asked-for")
    until(lambda: is_in(prefect, run, "COMPLETED"))
    assert run in prefect("flow-run", "ls", "--state", "Completed")
    logs = prefect("flow-run", "logs", run)
    assert logs.count("Hello, you!") == 2
    assert "waved" in logs
    prefect("flow-run", "retry", run)
    until(lambda: "run_count=2" in prefect("flow-run", "inspect", run) and is_in(prefect, run, "COMPLETED"))
    assert prefect("flow-run", "logs", run).count("Hello, you!") == 4
    prefect("flow-run", "delete", run)
    prefect("flow-run", "inspect", run, raises="ObjectNotFound")
    wrong = prefect("deployment", "run", "greet/by-hand", "--param", "times=many", code=1)
    assert "times" in wrong


@pytest.mark.usefixtures("deployed")
def test_a_run_is_cancelled(prefect: Prefect) -> None:
    run = run_of(prefect, "wait/long")
    until(lambda: is_in(prefect, run, "RUNNING"))
    assert "successfully" in prefect("flow-run", "cancel", run)
    until(lambda: is_in(prefect, run, "CANCELLED"))
    later = run_of(prefect, "wait/long", "--start-in", "1 hour")
    prefect("flow-run", "cancel", later)
    assert is_in(prefect, later, "CANCELLED")
    prefect("flow-run", "cancel", later, code=1)
    prefect("deployment", "delete", "wait/long")
    assert "wait/long" not in prefect("deployment", "ls")


@pytest.mark.long
def test_variables_and_blocks(prefect: Prefect) -> None:
    prefect("variable", "set", "region", "eu-1", "--tag", "t")
    assert "eu-1" in prefect("variable", "get", "region")
    prefect("variable", "set", "region", "us-1", code=1)
    prefect("variable", "set", "region", "us-1", "--overwrite")
    assert "us-1" in prefect("variable", "inspect", "region")
    assert "region" in prefect("variable", "ls")
    prefect("variable", "unset", "region")
    prefect("variable", "get", "region", code=1)
    assert "aws-credentials" in prefect("block", "type", "ls")
    prefect("block", "ls")
