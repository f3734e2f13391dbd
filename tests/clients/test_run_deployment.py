"""Flows that start other deployments with the token of their run, which is all they have."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.clients import pushed_runs
from tests.clients.conftest import Prefect, Server, until
from tests.clients.pushed_runs import Runs
from tests.support.service import PATIENCE

FLOWS = """
import asyncio, time

from prefect import flow
from prefect.deployments import arun_deployment, run_deployment


@flow(persist_result=True)
def doubled(n: int):
    return 2 * n


@flow
def endless():
    while True:
        time.sleep(0.1)


@flow(log_prints=True)
def asks(key: str):
    below = run_deployment("doubled/real", parameters={"n": 21}, timeout=90, poll_interval=0.5)
    print("below:", below.state.name, below.state.result())
    beside = run_deployment("doubled/real", parameters={"n": 1}, timeout=90, poll_interval=0.5, as_subflow=False)
    print("beside:", beside.state.name)
    again = [
        run_deployment("doubled/real", parameters={"n": 2}, timeout=0, idempotency_key=key, as_subflow=False).id
        for _ in range(2)
    ]
    print("the same:", again[0] == again[1])


@flow(log_prints=True)
async def asks_for_two():
    both = await asyncio.gather(*[
        arun_deployment("doubled/real", parameters={"n": n}, timeout=90, poll_interval=0.5) for n in (1, 2)
    ])
    print("both:", [each.state.name for each in both])


@flow
def waits_for_the_endless():
    run_deployment("endless/real", poll_interval=0.5)
"""
NAMES = ["doubled", "endless", "asks", "asks_for_two", "waits_for_the_endless"]


@pytest.fixture(scope="module")
def deployed(server: Server, prefect: Prefect, prefect_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Runs:
    folder = tmp_path_factory.mktemp("asking")
    return pushed_runs.deploy(server, prefect, prefect_python, folder, FLOWS, NAMES, pool="asking")


def below(runs: Runs, run: str) -> list[str]:
    """The flow runs that hang below the task runs of this one."""
    tasks = [each["id"] for each in runs.task_runs(run)]
    wanted = {"flow_runs": {"parent_task_run_id": {"any_": tasks}}}
    return [each["id"] for each in runs.ask("/flow_runs/filter", wanted)] if tasks else []


def printed(runs: Runs, run: str) -> list[str]:
    return [line for line in runs.messages(run) if line.startswith(("below:", "beside:", "the same:", "both:"))]


@pytest.mark.long
@pytest.mark.timeout(400)
def test_runs_ask_for_runs_and_wait_for_them(deployed: Runs) -> None:
    asks, two = deployed.start("asks", key="once"), deployed.start("asks_for_two")
    for run in (asks, two):
        deployed.wait(run, "Completed", patience=3 * PATIENCE)  # each starts Prefect three times, one after the other
    # The last lines come in a little later than the end.
    assert until(lambda: len(said := printed(deployed, asks)) == 3 and said) == [
        "below: Completed 42",
        "beside: Completed",
        "the same: True",
    ]
    assert until(lambda: printed(deployed, two)) == ["both: ['Completed', 'Completed']"]
    [child] = below(deployed, asks)
    assert deployed.read(child)["deployment_id"] == deployed.deployments["doubled"]
    assert len(below(deployed, two)) == 2
    assert {each["state_name"] for each in deployed.task_runs(asks)} == {"Completed"}


@pytest.mark.long
def test_who_is_cancelled_takes_along_what_it_waits_for(deployed: Runs) -> None:
    parent = deployed.start("waits_for_the_endless")
    [child] = until(lambda: below(deployed, parent))
    deployed.wait(child, "Running")
    deployed.set_state(parent, type="CANCELLING")
    deployed.wait(parent, "Cancelled")
    deployed.wait(child, "Cancelled")
    assert "The parent flow run was cancelled" in deployed.story(child)
