"""Real flows of the unmodified Prefect, from deployment to their end, in a push pool: no websocket reaches the API."""

from __future__ import annotations

import shutil
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest

from tests.clients import pushed_runs
from tests.clients.conftest import Prefect, Server, until
from tests.clients.pushed_runs import Runs

FLOWS = """
import os, time
from pathlib import Path

from prefect import flow, get_run_logger, task
from prefect.artifacts import create_markdown_artifact

tries = []


@task(retries=2, retry_delay_seconds=0.1)
def flaky():
    tries.append(1)
    if len(tries) < 3:
        raise RuntimeError("not yet")


@task
def double(x):
    get_run_logger().info("doubling %s", x)
    return 2 * x


@flow
def below(n: int):
    return double(n)


def done(flow, flow_run, state):
    print("the hook saw", state.name)


@flow(log_prints=True, on_completion=[done])
def everything(name: str):
    print("Hello,", name)
    flaky()
    total = sum(each.result() for each in double.map([1, 2, 3]))
    print("in all", total, "and below", below(21))
    create_markdown_artifact("# Report", key="report")
    secrets = [value for key, value in os.environ.items() if key.startswith("PREFECT_API_") or "skylift_run_" in value]
    print("in the environment:", secrets)


@flow(retries=1, retry_delay_seconds=1)
def failing(times: int = 2):
    double(1)
    tries.append(1)
    if len(tries) <= times:
        raise ValueError("broken on purpose")


def cancelled(flow, flow_run, state):
    Path(flow_run.parameters["mark"]).write_text(state.name)


@flow(on_cancellation=[cancelled])
def slow(mark: str):
    while True:
        time.sleep(0.1)


@flow
def steps(mark: str):
    for number in range(1000):
        double(number)
        time.sleep(0.1)
        if Path(mark).exists():
            return


@flow
def gone():
    pass


@flow
def dies():
    os.kill(os.getpid(), 9)
"""
NAMES = ["everything", "failing", "slow", "steps", "dies"]


@pytest.fixture(scope="module")
def deployed(server: Server, prefect: Prefect, prefect_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Runs:
    return pushed_runs.deploy(server, prefect, prefect_python, tmp_path_factory.mktemp("code"), FLOWS, NAMES)


@pytest.mark.long
def test_flows_of_three_kinds(deployed: Runs) -> None:
    """One test, because they run side by side: most of a flow run's time is Prefect's own start."""
    slow = deployed.start("slow", mark=str(deployed.folder / "cancelled"))
    failing = deployed.start("failing")
    everything = deployed.start("everything", name="you")
    check_cancellation(deployed, slow)
    check_failure(deployed, failing)
    check_everything(deployed, everything)


def check_cancellation(runs: Runs, run_id: str) -> None:
    runs.wait(run_id, "Running")
    begun = time.monotonic()
    runs.set_state(run_id, type="CANCELLING")
    runs.wait(run_id, "Cancelled")
    assert time.monotonic() - begun < 25, runs.story(run_id)
    assert (runs.folder / "cancelled").read_text() == "Cancelling", "its hook ran"


def check_failure(runs: Runs, run_id: str) -> None:
    run = runs.wait(run_id, "Failed")
    assert "broken on purpose" in run["state"]["message"]
    assert run["run_count"] == 2
    assert runs.names(run["id"])[-4:] == ["Running", "AwaitingRetry", "Running", "Failed"]
    assert runs.kinds(run["id"]).count("claimed") == 1
    assert any("Traceback" in message for message in runs.messages(run["id"]))


def check_everything(runs: Runs, run_id: str) -> None:
    run = runs.wait(run_id, "Completed")
    until(lambda: "last word" in runs.kinds(run["id"]))
    messages = runs.messages(run["id"])
    for expected in ("Hello, you", "doubling 3", "in all 12 and below 42", "the hook saw Completed"):
        assert messages.count(expected) == 1, runs.story(run["id"])
    (environment,) = [message for message in messages if message.startswith("in the environment")]
    assert "http://127.0.0.1:" in environment
    assert environment.count("'") == 2, "the API's address, and no credential"
    assert sum("Retry" in message for message in messages) == 2
    assert not any("events" in message for message in messages), "nobody misses the websockets"
    assert run["run_count"] == 1
    tasks = until(lambda: len(found := runs.task_runs(run["id"])) == 5 and found)
    assert sorted(each["name"].partition("-")[0] for each in tasks) == ["below", "double", "double", "double", "flaky"]
    assert {each["state_type"] for each in tasks} == {"COMPLETED"}
    (parent,) = [each for each in tasks if each["name"].startswith("below")]
    (below,) = runs.ask("/flow_runs/filter", {"flow_runs": {"parent_task_run_id": {"any_": [parent["id"]]}}})
    assert below["state_name"] == "Completed"
    assert "doubling 21" in runs.messages(below["id"])


# -- the long ones ----------------------------------------------------------------------------------------------------


@pytest.mark.long
def test_a_suspended_run_is_launched_again_when_it_is_resumed(deployed: Runs) -> None:
    mark = deployed.folder / "enough"
    run = deployed.start("steps", mark=str(mark))
    deployed.wait(run, "Running")
    deployed.set_state(run, type="PAUSED", name="Suspended", state_details={"pause_reschedule": True})
    until(lambda: "cleaned" in deployed.kinds(run))
    assert deployed.state(run) == "Suspended", deployed.story(run)
    mark.touch()
    deployed.ask(f"/flow_runs/{run}/resume", {})
    deployed.wait(run, "Completed")
    assert deployed.kinds(run).count("claimed") == 2


@pytest.mark.long
def test_an_engine_that_is_killed(deployed: Runs) -> None:
    run = deployed.wait(deployed.start("dies"), "Crashed")
    assert "-9" in run["state"]["message"]


@pytest.mark.long
def test_code_that_is_not_there(deployed: Runs, prefect: Prefect) -> None:
    elsewhere = deployed.folder / "elsewhere"
    elsewhere.mkdir()
    shutil.copy(deployed.folder / "flows.py", elsewhere)
    deployed.deployments["gone"] = deploy(prefect, deployed, str(elsewhere), "gone")
    (elsewhere / "flows.py").unlink()
    run = deployed.wait(deployed.start("gone"), "Crashed", "Failed")
    assert "flows.py" in deployed.story(run["id"])


@pytest.mark.long
def test_parameters_that_do_not_fit(deployed: Runs, prefect: Prefect) -> None:
    options = "enforce_parameter_schema=False"
    deployed.deployments["misfit"] = deploy(prefect, deployed, str(deployed.folder), "slow", "misfit", options)
    run = deployed.wait(deployed.start("misfit", nonsense=1), "Failed", "Crashed")
    assert "nonsense" in deployed.story(run["id"]) or "mark" in deployed.story(run["id"])


@pytest.mark.long
def test_without_prefect_in_the_image(deployed: Runs, prefect: Prefect) -> None:
    without = replace(deployed, variables={"env": {"PATH": "/usr/bin:/bin"}})
    deployed.deployments["bare"] = deploy(prefect, without, str(deployed.folder), "failing", "bare")
    run = deployed.wait(deployed.start("bare"), "Failed")
    assert "Prefect must be installed" in run["state"]["message"]


@pytest.mark.long
def test_code_from_git_and_a_command_around_prefects(deployed: Runs, prefect: Prefect, tmp_path: Path) -> None:
    repository = tmp_path / "code.git"
    repository.mkdir()
    shutil.copy(deployed.folder / "flows.py", repository)
    identity = ["-c", "user.name=n", "-c", "user.email=e@example.com"]
    for command in (["init", "-q", "-b", "main"], ["add", "."], [*identity, "commit", "-q", "-m", "first"]):
        subprocess.run(["git", *command], cwd=repository, check=True)
    wrapped = replace(deployed, variables=deployed.variables | {"command": "nice prefect flow-run execute"})
    deployed.deployments["git"] = deploy(prefect, wrapped, f"file://{repository}", "failing", "git")
    run = deployed.wait(deployed.start("git", times=1), "Completed")
    assert run["run_count"] == 2


def deploy(prefect: Prefect, runs: Runs, source: str, flow: str, name: str = "other", options: str = "") -> str:
    """From a folder or a git repository; the deployment's id."""
    where = f"GitRepository(url={source!r})" if "://" in source else repr(source)
    made: str = prefect.python(
        "import json\n"
        "from prefect import flow\n"
        "from prefect.runner.storage import GitRepository\n"
        f"source = flow.from_source({where}, entrypoint='flows.py:{flow}')\n"
        f"made = source.deploy({name!r}, work_pool_name='flows', job_variables={runs.variables!r}, {options}"
        f"{', ' if options else ''}print_next_steps=False)\n"
        "print(json.dumps(str(made)))\n"
    )
    return made
