"""Prefect's own engine, run directly against a real server over its websockets: what it reports, and what it hears."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from textwrap import dedent

import pytest

from tests.clients.conftest import Prefect, Server, until
from tests.support.service import PATIENCE

FLOWS = """
import time
from prefect import flow, task

tries = []


@task
def double(x):
    return 2 * x


@task(retries=2, retry_delay_seconds=0.1)
def shaky():
    tries.append(1)
    if len(tries) < 3:
        raise ValueError("not yet")


@task
def broken():
    raise ValueError("no")


@flow
def child(n):
    return double(n)


@flow
def parent():
    found = double.map([1, 2, 3]).result()
    shaky()
    broken(return_state=True)
    return sum(found) + child(5)


@flow(log_prints=True)
def slow():
    print("it has begun")
    time.sleep(120)
"""

MAKE = """
import json, sys
from prefect.client.orchestration import get_client
with get_client(sync_client=True) as client:
    flow_id = client.create_flow_from_name({name!r})
    deployment_id = client.create_deployment(
        flow_id, name="direct", path={folder!r}, entrypoint="direct_flows.py:" + {name!r}
    )
    print(json.dumps(str(client.create_flow_run_from_deployment(deployment_id).id)))
"""

READ = """
import json
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterParentFlowRunId, TaskRunFilter
from prefect.client.schemas.filters import TaskRunFilterFlowRunId
from prefect.client.schemas.sorting import TaskRunSort

run = {run!r}
with get_client(sync_client=True) as client:
    children = client.read_flow_runs(
        flow_run_filter=FlowRunFilter(parent_flow_run_id=FlowRunFilterParentFlowRunId(any_=[run]))
    )
    found = client.read_task_runs(
        task_run_filter=TaskRunFilter(flow_run_id=TaskRunFilterFlowRunId(any_=[run, *(each.id for each in children)])),
        sort=TaskRunSort.NAME_ASC,
    )
    told = [
        [
            each.task_key.rpartition("-")[0],
            [state.name for state in client.read_task_run_states(each.id)],
            each.state.name,
            each.run_count,
            str(each.flow_run_id) == run,
            each.start_time is not None and each.end_time is not None and each.total_run_time.total_seconds() > 0,
        ]
        for each in found
    ]
    print(json.dumps(dict(state=client.read_flow_run(run).state_name, tasks=sorted(told))))
"""


def _made(prefect: Prefect, server: Server, name: str) -> str:
    (server.home / "direct_flows.py").write_text(dedent(FLOWS))
    run_id: str = prefect.python(MAKE.format(name=name, folder=str(server.home)))
    return run_id


@contextmanager
def _started(python: Path, server: Server, run_id: str, *args: str) -> Iterator[subprocess.Popen[str]]:
    """`prefect` as an image starts it, with its own processes below it."""
    with subprocess.Popen(
        [python.with_name("prefect"), *args],
        env=server.env | {"PREFECT__FLOW_RUN_ID": run_id},
        cwd=server.home,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, 9)


def test_what_the_engine_reports_is_read_back(prefect: Prefect, server: Server, prefect_python: Path) -> None:
    run = _made(prefect, server, "parent")
    with _started(prefect_python, server, run, "flow-run", "execute") as process:
        said = process.communicate(timeout=PATIENCE)[0]
    assert process.returncode == 0, said
    assert said.count("Traceback (") == 1, "that of the task which is to fail"
    assert "websocket" not in said.lower(), "no warning, no falling back to polling"
    normal = ["Pending", "Running", "Completed"]
    retried = ["Pending", "Running", "AwaitingRetry", "Retrying", "AwaitingRetry", "Retrying", "Completed"]
    wanted = [
        ["broken", ["Pending", "Running", "Failed"], "Failed", 1, True, True],
        ["child", ["Pending", *normal], "Completed", 1, True, True],
        *([["double", normal, "Completed", 1, False, True]] + 3 * [["double", normal, "Completed", 1, True, True]]),
        ["shaky", retried, "Completed", 3, True, True],
    ]
    read = READ.format(run=run)
    deadline = time.monotonic() + PATIENCE
    while (found := prefect.python(read)) != {"state": "Completed", "tasks": wanted}:
        assert time.monotonic() < deadline, found


@pytest.mark.long
def test_cancelling_is_pushed_and_whoever_watches_sees_the_end(
    prefect: Prefect, server: Server, prefect_python: Path
) -> None:
    run = _made(prefect, server, "slow")
    logs = f"flow-run logs {run}".split()
    with (
        _started(prefect_python, server, run, "flow-run", "execute") as process,
        _started(prefect_python, server, run, "flow-run", "watch", run) as watch,
    ):
        until(lambda: "it has begun" in prefect(*logs))
        prefect("flow-run", "cancel", run)
        asked = time.monotonic()
        said = process.communicate(timeout=PATIENCE)[0]
        took = time.monotonic() - asked
        seen = watch.communicate(timeout=PATIENCE)[0]
    assert process.returncode == 0, said
    assert "was cancelled" in said
    assert "poll" not in said.lower(), "nobody had to ask: it was told"
    assert took < 30
    for line in (
        "prefect.flow-run.Running",
        "it has begun",
        "prefect.flow-run.Cancelling",
        "prefect.flow-run.Cancelled",
    ):
        assert line in seen, seen
    assert "finished in state 'Cancelled'" in seen
    assert watch.returncode == 1, "as Prefect ends for whatever did not complete"
