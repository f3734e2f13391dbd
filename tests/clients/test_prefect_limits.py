"""Limits, artifacts and what is not served, by the real `prefect`: its commands, and code that asks for slots."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.clients.conftest import Prefect

SLOTS = """
import json, threading, time
from prefect.client.orchestration import get_client
from prefect.concurrency.sync import concurrency, rate_limit

most, inside, lock = 0, 0, threading.Lock()

def work():
    global most, inside
    with concurrency("sdk", occupy=1, timeout_seconds=60):
        with lock:
            inside += 1
            most = max(most, inside)
        time.sleep(0.2)
        with lock:
            inside -= 1

with get_client(sync_client=True) as client:
    threads = [threading.Thread(target=work) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    left = client.read_global_concurrency_limit_by_name("sdk").active_slots
    began = time.monotonic()
    for _ in range(4):
        rate_limit("paced", timeout_seconds=60)
    took = time.monotonic() - began
    with concurrency(["nobody-made-this"], occupy=9):
        pass
print(json.dumps({"most": most, "left": left, "took": took}))
"""
ARTIFACTS = """
import json
from prefect.artifacts import create_link_artifact, create_markdown_artifact, create_progress_artifact
from prefect.artifacts import Artifact, update_progress_artifact
from prefect import flow, task

create_markdown_artifact("# One", key="report")
second = create_markdown_artifact("# Two", key="report", description="the second")
progress = create_progress_artifact(0.0, key="progress")
update_progress_artifact(progress, 50.0)
create_link_artifact("https://example.org", link_text="nameless")
latest = Artifact.get("report")
print(json.dumps({"second": str(second), "latest": latest.data, "progress": Artifact.get("progress").data}))
"""
TAGGED = """
import json, threading, time
from prefect import flow, task

most, inside, lock = 0, 0, threading.Lock()

@task(tags=["narrow"], log_prints=False)
def enter(number):
    global most, inside
    with lock:
        inside += 1
        most = max(most, inside)
    time.sleep(0.2)
    with lock:
        inside -= 1
    return number

@flow
def tagged():
    return [each.result() for each in enter.map(range(4))]

done = tagged()
print(json.dumps({"done": done, "most": most}))
"""


@pytest.mark.long
def test_global_concurrency_limits(prefect: Prefect) -> None:
    limit = "global-concurrency-limit"
    prefect(limit, "create", "gcl", "--limit", "3")
    assert "already exists" in prefect(limit, "create", "gcl", "--limit", "3", code=1)
    inspected = prefect(limit, "inspect", "gcl")
    assert re.search(r"limit\W+3\b", inspected), inspected
    prefect(limit, "update", "gcl", "--limit", "5", "--slot-decay-per-second", "0.5", "--active-slots", "2")
    found = json.loads(prefect(limit, "inspect", "gcl", "--output", "json"))
    assert found.items() >= {"name": "gcl", "limit": 5, "slot_decay_per_second": 0.5, "active": True}.items()
    prefect(limit, "disable", "gcl")
    prefect(limit, "enable", "gcl")
    assert "gcl" in prefect(limit, "ls")
    prefect(limit, "delete", "gcl")
    for command in ("inspect", "delete"):
        assert "not found" in prefect(limit, command, "gcl", code=1)


@pytest.mark.long
def test_limits_on_tags(prefect: Prefect) -> None:
    limit = "concurrency-limit"
    prefect(limit, "create", "narrow", "2")
    assert "narrow" in prefect(limit, "ls")
    assert "narrow" in prefect(limit, "inspect", "narrow")
    answer: dict[str, Any] = prefect.python(TAGGED)
    assert sorted(answer["done"]) == [0, 1, 2, 3]
    assert answer["most"] == 2
    prefect(limit, "reset", "narrow")
    prefect(limit, "delete", "narrow")
    prefect(limit, "inspect", "narrow", code=1)


def test_slots_in_code(prefect: Prefect) -> None:
    prefect("global-concurrency-limit", "create", "sdk", "--limit", "2")
    prefect("global-concurrency-limit", "create", "paced", "--limit", "2", "--slot-decay-per-second", "2")
    answer = prefect.python(SLOTS)
    assert (answer["most"], answer["left"]) == (2, 0)
    assert answer["took"] > 0.9, "two at once, then one each half second"


def test_artifacts(prefect: Prefect) -> None:
    made = prefect.python(ARTIFACTS)
    assert (made["latest"], made["progress"]) == ("# Two", 50.0)
    listed = prefect("artifact", "ls")
    assert made["second"] in listed
    assert "progress" in listed
    inspected = prefect("artifact", "inspect", "report")
    assert inspected.index("# Two") < inspected.index("# One")
    prefect("artifact", "delete", "--id", made["second"])
    assert "# Two" not in prefect("artifact", "inspect", "report")
    prefect("artifact", "delete", "report")
    assert "not found" in prefect("artifact", "inspect", "report", code=1)


def test_automations_are_not_served(prefect: Prefect, tmp_path: Path) -> None:
    prefect("automation", "ls")
    assert "not found" in prefect("automation", "inspect", "mine", code=1)
    wanted = {
        "name": "mine",
        "trigger": {"type": "event", "posture": "Reactive", "threshold": 1, "within": 0},
        "actions": [{"type": "do-nothing"}],
    }
    file = tmp_path / "automation.json"
    file.write_text(json.dumps(wanted))
    said = prefect("automation", "create", "--from-file", str(file), code=1)
    assert "does not serve automations yet" in " ".join(said.split())
