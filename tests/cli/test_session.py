"""A session with a real service: pools, deployments, runs that end well, fail and are cancelled."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import EXAMPLES, Server, Skylift

DEADLINE = 30.0

OTHERS = """
deployments:
  - {name: long, entrypoint: flows.py:count, work_pool: {name: local}, parameters: {seconds: 600}}
  - {name: hello, entrypoint: flows.py:greet, work_pool: {name: local}}
"""


def until(found: Callable[[], Any]) -> Any:
    """Poll a real process; what is found at last."""
    end = time.monotonic() + DEADLINE
    while not (value := found()):
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.1)
    return value


@pytest.fixture
def run_state(remote: Skylift) -> Callable[[str], str]:
    return lambda name: str(remote.json("flow-run", "inspect", name)["state_name"])


def test_a_session(remote: Skylift, server: Server, tmp_path: Path, run_state: Callable[[str], str]) -> None:
    assert f"(database: sqlite:///{server.home}/skylift.db)" in server.line
    folder = tmp_path / "flows"
    shutil.copytree(EXAMPLES, folder)
    (folder / "others.yaml").write_text(OTHERS)

    remote("work-pool", "create", "local", "--type", "process:push", "--concurrency-limit", "3")
    table = remote("deploy", str(folder / "skylift.yaml"), "--all").stdout
    assert "greet/every-few-seconds" in table
    assert "skylift deployment run greet/every-few-seconds" in table
    remote("deploy", str(folder / "others.yaml"), "--all")

    # One that runs well: its end is waited for, and standard output is JSON only.
    hello = ["deployment", "run", "greet/hello", "-p", "name=Ada", "-p", "times=3", "--name", "ada", "--tag", "x"]
    made = remote(*hello, "--watch", "-o", "json")
    assert json.loads(made.stdout)["state_type"] == "COMPLETED"
    assert "Completed" in made.stderr
    messages = [line["message"] for line in remote.json("flow-run", "logs", "ada")]
    assert messages.count("Hello, Ada!") == 3
    followed = [json.loads(line) for line in remote("flow-run", "logs", "ada", "-f", "-o", "json").stdout.splitlines()]
    assert [line["message"] for line in followed] == messages

    # One that fails: why, and what to do.
    failed = remote("deployment", "run", "settle-invoices/by-hand", "--name", "broken", "--watch", code=1)
    assert "Failed" in failed.stdout
    assert "FileNotFoundError" in remote("flow-run", "logs", "broken", "--level", "error").stdout
    story = remote("flow-run", "explain", "broken").stdout
    for word in ("claimed", "launched", "first word", "FileNotFoundError", "What to do", "skylift flow-run retry"):
        assert word in story
    remote("flow-run", "retry", "broken")
    until(lambda: remote.json("flow-run", "inspect", "broken")["run_count"] == 2)
    until(lambda: run_state("broken") == "Failed")
    attempts = {line["attempt_id"] for line in remote.json("flow-run", "explain", "broken")["timeline"]}
    assert len(attempts - {None}) == 2

    # One that takes long: it holds a slot until it is gone.
    remote("deployment", "run", "count/long", "--name", "counting")
    until(lambda: run_state("counting") == "Running")
    assert "counting" in remote("work-pool", "slots", "local").stdout
    assert "only one that has ended" in remote.error("flow-run", "retry", "counting")
    remote("flow-run", "cancel", "counting")
    until(lambda: run_state("counting") == "Cancelled")
    until(
        lambda: (
            "counting" not in [each["flow_run_name"] for each in remote.json("work-pool", "slots", "local")["slots"]]
        )
    )
    assert "already ended" in remote.error("flow-run", "cancel", "counting")

    # What the schedules started meanwhile.
    until(lambda: remote.json("flow-run", "ls", "--deployment", "disk-usage/report", "--state", "completed"))
    remote("deployment", "pause", "disk-usage/report")
    remote("deployment", "schedule", "pause", "greet/every-few-seconds", "often")
    assert remote.json("flow-run", "ls", "--deployment", "greet/every-few-seconds", "--state", "Scheduled") == []
    listed = remote("flow-run", "ls", "--pool", "local").stdout
    assert "count/long" in listed
    assert "Cancelled" in listed
    assert {run["state_type"] for run in remote.json("flow-run", "ls", "-s", "FAILED")} == {"FAILED"}
    assert "not by both" in remote.error("flow-run", "ls", "-s", "FAILED", "-s", "Late", code=2)

    # One that waits says for what.
    remote("work-pool", "pause", "local")
    remote("deployment", "run", "greet/hello", "--name", "waiting")
    assert "Waiting for: Work pool 'local' is paused" in remote("flow-run", "explain", "waiting").stdout
    remote("flow-run", "cancel", "waiting")
    assert run_state("waiting") == "Cancelled"
    remote("flow-run", "delete", "waiting", "--yes")
    assert "'waiting'" in remote.error("flow-run", "inspect", "waiting")

    remote("deployment", "delete", "count/long", "--yes")
    assert "count/long" not in remote("deployment", "ls", "--pool", "local").stdout


def test_dispatch_once_does_everything_on_the_embedded_database(
    skylift: Skylift, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SKYLIFT_API_URL", "")
    evidence = tmp_path / "ran"
    file = tmp_path / "skylift.yaml"
    command = f"touch {evidence}"
    file.write_text(
        f"deployments: [{{name: d, flow: f, command: '{command}', "
        "work_pool: {name: bare, job_variables: {runner: false}}}]"
    )
    skylift("work-pool", "create", "bare", "--type", "process:push")
    skylift("deploy", str(file))
    said = skylift("deployment", "run", "f/d", "--name", "one").stderr
    assert "skylift serve" in said
    first = skylift.json("dispatch", "--once")
    assert [(pool["name"], pool["launched"]) for pool in first["pools"]] == [("bare", 1)]

    def ended() -> bool:
        skylift("dispatch", "--once")
        return bool(skylift.json("flow-run", "inspect", "one")["state_name"] == "Completed")

    until(ended)
    assert evidence.exists()
    assert "--once" in skylift.error("dispatch", code=2)


def test_a_run_name_that_several_have_must_be_told_apart(skylift: Skylift, tmp_path: Path) -> None:
    file = tmp_path / "skylift.yaml"
    file.write_text("deployments: [{name: d, flow: f, command: 'true', work_pool: {name: p}}]")
    skylift("work-pool", "create", "p", "--type", "process:push")
    skylift("deploy", str(file))
    ids = [skylift.json("deployment", "run", "f/d", "--name", "same", "--in", "1h")["id"] for _ in range(2)]
    said = skylift.error("flow-run", "inspect", "same")
    assert all(each in said for each in ids)
    assert skylift.json("flow-run", "inspect", ids[0])["id"] == ids[0]
    assert skylift.json("flow-run", "ls") == []
    assert {run["id"] for run in skylift.json("flow-run", "ls", "--upcoming")} == set(ids)
