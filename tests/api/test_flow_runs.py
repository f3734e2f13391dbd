"""Flow runs over HTTP: made, asked for, changed, and how proposed states are answered."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from skylift import observe
from skylift.ids import new_id
from tests.api.making import Api, ok, refused


def answered(answer: Any) -> tuple[int, str, str | None]:
    """Status code, verdict, and the name of the state in the answer."""
    body = ok(answer, answer.status_code)
    assert body["details"]["type"] == f"{body['status'].lower()}_details"
    return answer.status_code, body["status"], body["state"] and body["state"]["name"]


def made_in(api: Api, type_: str, **body: Any) -> str:
    """A run without a pool, which begins in this state."""
    wanted = {"flow_id": api.flow(), "state": {"type": type_}} | body
    run_id: str = ok(api.http.post("flow_runs/", json=wanted), 201)["id"]
    return run_id


def test_a_run_by_itself(api: Api) -> None:
    flow = api.flow()
    given: dict[str, Any] = {
        "name": "n",
        "parameters": {"a": 1},
        "tags": ["t"],
        "labels": {"l": 1},
        "context": {"c": 1},
    }
    policy: dict[str, Any] = {
        "empirical_policy": {"retries": 1},
        "parent_task_run_id": str(new_id()),
        "idempotency_key": "k",
    }
    made = ok(api.http.post("flow_runs/", json={"flow_id": flow, **given, **policy, "new_field": 1}), 201)
    labels = {"l": 1, "prefect.flow.id": flow}
    assert {key: made[key] for key in given | policy} == given | policy | {"labels": labels}
    assert (made["state_type"], made["state"]["type"], made["run_count"]) == ("PENDING", "PENDING", 0)
    assert made["state"]["state_details"]["flow_run_id"] == made["id"]
    assert made["created"]
    assert api.read(made["id"]) == made
    assert ok(api.http.post("flow_runs/", json={"flow_id": flow, "idempotency_key": "k"})) == made
    missing = str(new_id())
    refused(api.http.post("flow_runs/", json={"flow_id": missing}), 404, missing)
    refused(api.http.get(f"flow_runs/{new_id()}"), 404)
    api.pool()
    placed = {"flow_id": flow, "work_pool_name": "pool", "work_queue_name": "new", "job_variables": {"cpu": 99}}
    refused(api.http.post("flow_runs/", json=placed), 422, "cpu", "at most 8")
    placed |= {"job_variables": {"command": "true"}, "state": {"type": "SCHEDULED"}}
    ok(api.http.post("flow_runs/", json=placed), 201)
    assert len(api.launch()) == 1


def test_a_retry_delay_may_have_a_fraction_that_clients_do_not_read(api: Api) -> None:
    run = made_in(api, "RUNNING", empirical_policy={"retries": 1, "retry_delay": 7})
    changed = {"empirical_policy": {"retries": 1, "retry_delay": 0.5}}
    ok(api.http.patch(f"flow_runs/{run}", json=changed), 204)
    assert api.read(run)["empirical_policy"]["retry_delay"] == 1
    answer = ok(api.http.post(f"flow_runs/{run}/set_state", json={"state": {"type": "FAILED"}}), 201)
    again = answer["state"]["state_details"]["scheduled_time"]
    assert datetime.fromisoformat(again) - api.place.clock.at == timedelta(seconds=0.5)
    for wrong in ({"retries": "many"}, {"retry_delay": -1}, {"retry_delay": [1, "x"]}, {"retry_delay": 1e300}):
        refused(api.http.patch(f"flow_runs/{run}", json={"empirical_policy": wrong}), 422, next(iter(wrong)))


def test_labels_tell_where_a_run_is_from(api: Api) -> None:
    flow = ok(api.http.post("flows/", json={"name": "labelled", "labels": {"team": "x", "own": 1}}), 201)["id"]
    alone = ok(api.http.post("flow_runs/", json={"flow_id": flow, "labels": {"own": 2}}), 201)
    assert alone["labels"] == {"team": "x", "own": 2, "prefect.flow.id": flow}
    wanted = {"flow_id": flow, "name": "d", "labels": {"prefect.flow.id": "mine"}}
    deployment = ok(api.http.post("deployments/", json=wanted), 201)
    assert deployment["labels"] == {"team": "x", "own": 1, "prefect.flow.id": "mine"}
    changed = {"labels": {"new": 1}}
    ok(api.http.patch(f"deployments/{deployment['id']}", json=changed), 204)
    run = api.run(deployment["id"])
    assert run["labels"] == {"new": 1, "prefect.flow.id": flow, "prefect.deployment.id": deployment["id"]}


def test_the_life_of_a_run_as_clients_read_it_back(api: Api) -> None:
    clock = api.place.clock
    run = made_in(api, "SCHEDULED")
    ok(api.propose(run, "PENDING"), 201)
    scheduled = api.read(run)["state"]["state_details"]["scheduled_time"]
    assert scheduled, "a pending state keeps the time of the scheduled one"
    assert api.read(run)["next_scheduled_start_time"] is None
    began = clock.advance(5)
    accepted = ok(api.propose(run, "RUNNING", state_details={"own": 1}), 201)
    assert accepted["status"] == "ACCEPT"
    assert accepted["state"]["timestamp"] == began.isoformat().replace("+00:00", "Z")
    assert accepted["state"]["state_details"]["own"] == 1
    read = api.read(run)
    assert (read["state_id"], read["run_count"]) == (accepted["state"]["id"], 1)
    clock.advance(10)
    result = {"type": "reference", "storage_key": "x"}
    ok(api.propose(run, "COMPLETED", message="done", data=result), 201)
    read = api.read(run)
    assert (read["state"]["data"], read["state"]["message"], read["total_run_time"]) == (result, "done", 10.0)
    assert read["start_time"] < read["end_time"]
    types = [each["type"] for each in ok(api.http.get(f"flow_runs/{run}/states"))]
    assert types == ["SCHEDULED", "PENDING", "RUNNING", "COMPLETED"]
    lines = ok(api.http.get(f"skylift/flow_runs/{run}/explain"))
    assert [line["kind"] for line in lines["timeline"]] == ["created", "pending", "running", "completed"]
    assert lines["flow_run"] == read
    assert lines["waiting"] is None


def test_retries_of_the_flow(api: Api) -> None:
    run = made_in(api, "PENDING")
    policy = {"empirical_policy": {"retries": 1, "retry_delay": 4}, "flow_version": "v"}
    ok(api.http.patch(f"flow_runs/{run}", json=policy), 204)
    ok(api.propose(run, "RUNNING"), 201)
    again: dict[str, Any] = {"state_details": {"transition_id": str(new_id())}, "message": "boom"}
    first = api.propose(run, "FAILED", **again)
    assert answered(first) == (201, "REJECT", "AwaitingRetry")
    state = first.json()["state"]
    assert (state["type"], state["message"]) == ("SCHEDULED", "boom")
    # The answer was lost: the client sends the same once more.
    repeated = api.propose(run, "FAILED", **again)
    assert answered(repeated) == (200, "REJECT", "AwaitingRetry")
    assert repeated.json()["state"] == state
    wait = ok(api.propose(run, "RUNNING"))
    assert (wait["status"], wait["details"]["delay_seconds"], wait["state"]) == ("WAIT", 4, state)
    api.place.clock.advance(4)
    assert answered(api.propose(run, "RUNNING")) == (201, "ACCEPT", "Running")
    assert api.read(run)["run_count"] == 2
    assert answered(api.propose(run, "FAILED")) == (201, "ACCEPT", "Failed")


def test_a_run_with_infrastructure_is_cancelled_once_that_is_gone(api: Api) -> None:
    api.pool()
    run = api.run(api.deployment()["id"])["id"]
    [container] = api.launch()
    assert answered(api.propose(run, "CANCELLING", message="enough")) == (201, "ACCEPT", "Cancelling")
    assert answered(api.propose(run, "COMPLETED")) == (200, "REJECT", "Cancelling")
    api.place.cloud.stubborn = True
    api.place.clock.advance(61)
    observe.observe(api.place.parts)
    assert api.read(run)["state_type"] == "CANCELLING"
    container.end(143)
    api.place.clock.advance(61)
    observe.observe(api.place.parts)
    state = api.read(run)["state"]
    assert (state["type"], state["message"]) == ("CANCELLED", "enough")


def test_a_retry_of_an_ended_run_is_launched_again(api: Api) -> None:
    api.pool()
    run = api.run(api.deployment()["id"])["id"]
    api.launch()[0].end(1)
    api.place.clock.advance(61)
    observe.observe(api.place.parts)
    assert api.read(run)["state_type"] == "FAILED"
    assert answered(api.propose(run, "SCHEDULED", force=True)) == (201, "ACCEPT", "Scheduled")
    assert len(api.launch()) == 1


def test_deleting_a_run_stops_it_and_holds_its_slot(api: Api) -> None:
    api.pool(concurrency_limit=1)
    deployment = api.deployment()["id"]
    run = api.run(deployment)["id"]
    [container] = api.launch()
    line = {"name": "n", "level": 20, "message": "m", "timestamp": api.at(), "flow_run_id": run}
    ok(api.http.post("logs/", json=[line]), 201)
    ok(api.http.delete(f"flow_runs/{run}"), 204)
    refused(api.http.delete(f"flow_runs/{run}"), 404, run)
    for path in ("flow_runs/{}", "flow_runs/{}/states", "skylift/flow_runs/{}/explain"):
        refused(api.http.get(path.format(run)), 404, run)
    refused(api.propose(run, "RUNNING"), 404, run)
    refused(api.http.patch(f"flow_runs/{run}", json={}), 404, run)
    assert ok(api.http.post("logs/filter", json={"logs": {"flow_run_id": {"any_": [run]}}})) == []
    api.run(deployment)
    assert api.launch() == [container], "the slot is free only when the container is gone"
    assert ok(api.http.get("skylift/work_pools/pool/slots"))["slots"][0]["flow_run_name"] is None
    for _ in range(2):
        api.place.clock.advance(61)
        observe.observe(api.place.parts)
    assert container not in api.launch()
    assert len(api.place.cloud.alive()) == 1


class TestOnSqlite:
    """What does not depend on the database."""

    @pytest.fixture
    def store_url(self, sqlite_url: str) -> str:
        return sqlite_url

    def test_what_force_may_and_may_not(self, api: Api) -> None:
        for current, wanted, answer in (
            ("RUNNING", "PENDING", (201, "ACCEPT", "Pending")),
            ("CANCELLING", "COMPLETED", (201, "ACCEPT", "Completed")),
            ("COMPLETED", "SCHEDULED", (201, "ACCEPT", "Scheduled")),
            ("SCHEDULED", "CANCELLING", (201, "REJECT", "Cancelled")),
            ("COMPLETED", "CANCELLING", (200, "ABORT", "Completed")),
        ):
            assert answered(api.propose(made_in(api, current), wanted, force=True)) == answer

    def test_a_run_of_a_deployment_may_be_run_again(self, api: Api) -> None:
        run = api.run(api.deployment(work_pool_name=None)["id"])["id"]
        ok(api.propose(run, "FAILED"), 201)
        assert answered(api.propose(run, "SCHEDULED")) == (201, "ACCEPT", "Scheduled")

    def test_a_kept_result_is_not_thrown_away(self, api: Api) -> None:
        run = made_in(api, "RUNNING")
        ok(api.propose(run, "COMPLETED", data={"type": "reference"}), 201)
        assert answered(api.propose(run, "RUNNING")) == (200, "REJECT", "Completed")

    def test_the_time_of_a_scheduled_run_is_kept(self, api: Api) -> None:
        run = made_in(api, "SCHEDULED", state={"type": "SCHEDULED", "state_details": {"scheduled_time": api.at(9.5)}})
        assert ok(api.propose(run, "RUNNING"))["details"]["delay_seconds"] == 10
        ok(api.propose(run, "PENDING"), 201)
        assert ok(api.propose(run, "RUNNING"))["details"]["delay_seconds"] == 10
        assert answered(api.propose(run, "RUNNING", force=True)) == (201, "ACCEPT", "Running")

    def test_a_transition_is_made_once(self, api: Api) -> None:
        run = made_in(api, "PENDING")
        same: dict[str, Any] = {"state_details": {"transition_id": str(new_id())}}
        first = ok(api.propose(run, "RUNNING", **same), 201)["state"]
        again = ok(api.propose(run, "RUNNING", **same))
        assert (again["status"], again["state"]) == ("REJECT", first)
        assert first["state_details"]["transition_id"] == same["state_details"]["transition_id"], "by which it is known"
        assert api.read(run)["run_count"] == 1
        waiting = made_in(api, "SCHEDULED")
        cancel: dict[str, Any] = {"state_details": {"transition_id": str(new_id())}}
        written = ok(api.propose(waiting, "CANCELLING", **cancel), 201)
        repeated = ok(api.propose(waiting, "CANCELLING", **cancel))
        assert repeated["state"] == written["state"]

    def test_proposals_that_are_none(self, api: Api) -> None:
        run = made_in(api, "PENDING")
        refused(api.propose(run, "DONE"), 422, "state.type")
        refused(api.http.post(f"flow_runs/{run}/set_state", json={}), 422, "state")
        refused(api.http.post("flow_runs/no-id/set_state", json={"state": {"type": "RUNNING"}}), 404)
        refused(api.propose(str(new_id()), "RUNNING"), 404, "Flow run")

    def test_an_update_changes_what_it_names(self, api: Api) -> None:
        run = made_in(api, "PENDING", tags=["t"])

        def patch(**body: Any) -> dict[str, Any]:
            before = api.read(run)
            ok(api.http.patch(f"flow_runs/{run}", json=body), 204)
            read = api.read(run)
            return {key: value for key, value in read.items() if before[key] != value and key != "updated"}

        assert patch() == {}
        assert patch(infrastructure_pid="7", flow_version="v") == {"infrastructure_pid": "7", "flow_version": "v"}
        assert patch(infrastructure_pid=None) == {"infrastructure_pid": None}
        assert patch(name=None, tags=None, parameters=None, empirical_policy=None) == {}
        assert patch(name="new", tags=[]) == {"name": "new", "tags": []}
        assert patch(state={"type": "FAILED"}, run_count=7) == {}, "states are proposed, not written"

    def test_filters_sorts_and_pages(self, api: Api) -> None:
        api.pool()
        deployment = api.deployment("d", work_queue_name="q")["id"]
        for number, name in enumerate(("a", "b", "c")):
            api.run(deployment, name=name, after=60 - number, tags=["x", name])
        parent = str(new_id())
        made_in(api, "RUNNING", name="alone", parent_task_run_id=parent)

        def names(sort: str = "NAME_ASC", **body: Any) -> list[str]:
            found = ok(api.http.post("flow_runs/filter", json={"sort": sort, **body}))
            counted = {key: value for key, value in body.items() if key not in ("limit", "offset")}
            if counted == body:
                assert ok(api.http.post("flow_runs/count", json=body)) == len(found)
            return [each["name"] for each in found]

        def where(**fields: Any) -> list[str]:
            return names(flow_runs=fields)

        assert names() == ["a", "alone", "b", "c"]
        assert names("EXPECTED_START_TIME_DESC", limit=2) == ["a", "b"]
        assert names("EXPECTED_START_TIME_ASC", limit=2, offset=1) == ["c", "b"]
        assert len(ok(api.http.post("flow_runs/filter"))) == 4
        assert where(state={"type": {"any_": ["RUNNING"]}}) == ["alone"]
        assert where(state={"name": {"any_": ["Scheduled"]}}) == ["a", "b", "c"]
        assert where(state={"operator": "or_", "type": {"any_": ["RUNNING"]}, "name": {"any_": ["x"]}}) == ["alone"]
        assert where(tags={"all_": ["x", "b"]}) == ["b"]
        assert where(parent_task_run_id={"any_": [parent]}) == ["alone"]
        assert where(work_queue_name={"any_": ["q"]}) == ["a", "b", "c"]
        assert where(expected_start_time={"before_": api.at(59).replace("T", " ")}) == ["alone", "b", "c"]
        assert names(deployments={"name": {"any_": ["d"]}}, flows={"name": {"any_": ["flow"]}}) == ["a", "b", "c"]
        assert names(work_pools={"name": {"any_": ["none"]}}) == []
        for body, says in (
            ({"flow_runs": {"stat": {}}}, "flow_runs.stat"),
            ({"flow_runs": {"state": {"typ": {"any_": []}}}}, "flow_runs.state.typ"),
            ({"flow_runs": {"state": {"type": {"any_": ["DONE"]}}}}, "flow_runs.state.type.any_"),
            ({"flow_runs": {"id": {"any_": ["x"]}}}, "flow_runs.id.any_"),
            ({"variables": {"name": {"any_": ["x"]}}}, "variables"),
            ({"limit": 201}, "200"),
        ):
            refused(api.http.post("flow_runs/filter", json=body), 422, says)
        refused(api.http.post("flow_runs/filter", json={"sort": "STATE_ASC"}), 422, "STATE_ASC", "ID_DESC")
        refused(api.http.post("flow_runs/count", json={"flow_runs": {"stat": {}}}), 422, "flow_runs.stat")

    def test_what_a_run_waits_for(self, api: Api) -> None:
        api.pool(concurrency_limit=1)
        high = api.queue("high", priority=1)
        deployment = api.deployment("d", concurrency_limit=0)["id"]
        run, first = api.run(deployment)["id"], api.run(api.deployment("h", work_queue_name="high")["id"])["id"]

        def says() -> str:
            said: str = ok(api.http.get(f"skylift/flow_runs/{run}/explain"))["waiting"]["message"]
            return said

        assert "Deployment 'd' is at its limit: 0 of 0" in says()
        ok(api.http.patch(f"deployments/{deployment}", json={"concurrency_limit": None}), 204)
        assert "1 runs in queues of higher priority" in says()
        ok(api.http.patch(f"work_queues/{high['id']}", json={"is_paused": True}), 204)
        assert "next dispatch" in says()
        assert "'high' is paused" in ok(api.http.get(f"skylift/flow_runs/{first}/explain"))["waiting"]["message"]
        ok(api.http.patch("work_pools/pool", json={"is_paused": True}), 204)
        assert "Work pool 'pool' is paused" in says()
        later = api.run(deployment, after=60)["id"]
        assert "time has not come" in ok(api.http.get(f"skylift/flow_runs/{later}/explain"))["waiting"]["message"]
