"""What a run's end and its heartbeats have to do with its subflows."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.making import Api, ok
from tests.api.test_attempts import Runner, bearer, look, runner


def below(api: Api, parent: str, key: str = "sub", **body: Any) -> str:
    """A subflow that runs in its parent's process; `body` may say otherwise."""
    task = {"flow_run_id": parent, "task_key": key, "dynamic_key": "0"}
    task_run = ok(api.http.post("task_runs/", json=task), 201)["id"]
    body = {"flow_id": api.flow(key), "state": {"type": "PENDING"}, "parent_task_run_id": task_run} | body
    run: str = ok(api.http.post("flow_runs/", json=body), 201)["id"]
    return run


def running(api: Api, run: str) -> str:
    ok(api.propose(run, "RUNNING"), 201)
    return run


@pytest.fixture
def parent(api: Api) -> tuple[Runner, str]:
    this = runner(api)
    token = this.admitted()
    ok(api.propose(this.run, "RUNNING", headers=bearer(token)), 201)
    return this, token


def test_heartbeats_tell_of_subflows_that_are_cancelled(api: Api, parent: tuple[Runner, str]) -> None:
    this, token = parent
    child = running(api, below(api, this.run))
    grandchild = running(api, below(api, child))
    stranger = ok(api.http.post("flow_runs/", json={"flow_id": api.flow(), "state": {"type": "RUNNING"}}), 201)["id"]
    elsewhere = running(api, below(api, stranger))
    assert set(ok(this.say("heartbeat", token=token))["states"]) == {this.run}
    for run in (grandchild, elsewhere, stranger):
        ok(api.propose(run, "CANCELLING"), 201)
    answer = ok(this.say("heartbeat", token=token))
    assert {run: state["type"] for run, state in answer["states"].items()} == {
        this.run: "RUNNING",
        grandchild: "CANCELLING",
    }
    assert answer["next"] == 2, "there is more to hear soon"
    state = api.read(grandchild)["state"]
    assert answer["states"][grandchild]["id"] == state["id"], "clients compare it"
    ok(api.propose(grandchild, "CANCELLED"), 201)
    assert set(ok(this.say("heartbeat", token=token))["states"]) == {this.run}


def test_a_cancelled_run_takes_along_what_it_started(api: Api, parent: tuple[Runner, str]) -> None:
    this, _ = parent
    inline = running(api, below(api, this.run))
    deeper = running(api, below(api, inline))
    done = running(api, below(api, this.run, "done"))
    ok(api.propose(done, "COMPLETED"), 201)
    deployment = api.deployment("other")["id"]
    key = ok(api.http.post("task_runs/", json={"flow_run_id": this.run, "task_key": "d", "dynamic_key": "0"}), 201)
    launched, waiting = (
        api.run(deployment, parent_task_run_id=key["id"], after=after, name=name)["id"]
        for after, name in ((0, "launched"), (600, "waiting"))
    )
    api.launch()
    ok(api.propose(launched, "RUNNING"), 201)

    ok(api.propose(this.run, "CANCELLING"), 201)
    assert api.read(inline)["state_type"] == "RUNNING", "its process may still tell how it ends"
    look(api)
    look(api)
    found = {run: api.read(run)["state"] for run in (this.run, inline, deeper, done, launched, waiting)}
    assert {run: state["type"] for run, state in found.items()} == {
        this.run: "CANCELLED",
        inline: "CANCELLED",
        deeper: "CANCELLED",
        done: "COMPLETED",
        launched: "CANCELLING",
        waiting: "CANCELLED",
    }
    assert found[inline]["message"] == found[launched]["message"] == "The parent flow run was cancelled"
    look(api)
    look(api)
    assert api.read(launched)["state_type"] == "CANCELLED"
    assert api.launch() == []


def test_subflows_outlive_what_they_hang_on(api: Api, parent: tuple[Runner, str]) -> None:
    this, _ = parent
    by_run, by_task = below(api, this.run), below(api, this.run, "other")
    task = ok(api.http.post("flow_runs/filter", json={"flow_runs": {"id": {"any_": [by_task]}}}))[0]
    ok(api.http.delete(f"task_runs/{task['parent_task_run_id']}"), 204)
    assert api.read(by_task)["parent_task_run_id"] is None
    ok(api.http.delete(f"flow_runs/{this.run}"), 204)
    assert api.read(by_run)["parent_task_run_id"] is None
