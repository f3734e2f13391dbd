"""Pausing, suspending and resuming runs that have infrastructure, and retries in the process that is there."""

from __future__ import annotations

from typing import Any

from skylift import observe
from tests.api.making import Api, ok, refused
from tests.support.cloud import Container

SUSPENDED: dict[str, Any] = {"name": "Suspended", "state_details": {"pause_reschedule": True, "pause_key": "one"}}


def launched(api: Api, **pool: Any) -> tuple[str, Container]:
    """A running run of a deployment, and its container."""
    api.pool(**pool)
    run = api.run(api.deployment()["id"])["id"]
    [container] = api.launch()
    ok(api.propose(run, "RUNNING"), 201)
    return run, container


def look(api: Api) -> None:
    api.place.clock.advance(61)
    observe.observe(api.place.parts)


def resume(api: Api, run: str, run_input: Any = None) -> Any:
    return api.http.post(f"flow_runs/{run}/resume", json={"run_input": run_input})


def test_a_suspended_run_frees_its_slot_and_is_launched_again(api: Api) -> None:
    run, container = launched(api, concurrency_limit=1)
    assert ok(api.propose(run, "PAUSED", **SUSPENDED), 201)["status"] == "ACCEPT"
    assert len(ok(api.http.get("skylift/work_pools/pool/slots"))["slots"]) == 1, "its process is still there"
    container.end(0)
    look(api)
    assert (api.read(run)["state_name"], ok(api.http.get("skylift/work_pools/pool/slots"))["slots"]) == (
        "Suspended",
        [],
    )
    assert api.launch() == []
    answer = ok(resume(api, run), 201)
    assert (answer["status"], answer["state"]["name"], answer["state"]["type"]) == ("ACCEPT", "Resuming", "SCHEDULED")
    [again] = api.launch()
    assert again is not container
    ok(api.propose(run, "RUNNING"), 201)
    read = api.read(run)
    assert (read["run_count"], read["empirical_policy"]["resuming"]) == (1, False), "it went on, and did not begin anew"
    assert ok(api.propose(run, "PAUSED", **SUSPENDED))["status"] == "REJECT", "this pause was made before"
    again.end(0)
    look(api)
    assert api.read(run)["state_type"] == "COMPLETED"


def test_resumed_while_its_process_is_still_leaving(api: Api) -> None:
    run, container = launched(api)
    ok(api.propose(run, "PAUSED", **SUSPENDED), 201)
    api.place.cloud.stubborn = True
    ok(resume(api, run), 201)
    assert api.launch() == [container], "one at a time"
    container.end(0)
    look(api)
    assert len(api.launch()) == 1


def test_a_person_suspends_a_run(api: Api) -> None:
    """Nothing in the container may listen: it is asked to leave as for a cancellation."""
    run, container = launched(api)
    ok(api.propose(run, "PAUSED", **SUSPENDED), 201)
    for _ in range(2):
        look(api)
    assert container.phase == "ended"
    assert api.read(run)["state_name"] == "Suspended"
    ok(resume(api, run), 201)
    assert len(api.launch()) == 1


def test_a_suspended_run_without_a_process_is_cancelled_at_once(api: Api) -> None:
    run, container = launched(api)
    ok(api.propose(run, "PAUSED", **SUSPENDED), 201)
    api.place.cloud.stubborn = True
    assert ok(api.propose(run, "CANCELLING"), 201)["state"]["type"] == "CANCELLING", "its process is still there"
    container.end(0)
    look(api)
    assert api.read(run)["state_type"] == "CANCELLED"


def test_a_paused_run_whose_container_is_lost_has_crashed(api: Api) -> None:
    run, container = launched(api)
    ok(api.propose(run, "PAUSED", state_details={"pause_timeout": api.at(600)}), 201)
    container.end(None)
    look(api)
    assert api.read(run)["state_type"] == "CRASHED"
    assert ok(resume(api, run))["status"] == "ABORT"


def test_a_form_is_filled_in_by_a_person(api: Api) -> None:
    run, _ = launched(api)
    schema = '{"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"]}'
    ok(api.http.post(f"flow_runs/{run}/input", json={"key": "form-schema", "value": schema}), 201)
    keyset = {"schema": "form-schema", "response": "form-response", "description": "form-description"}
    ok(api.propose(run, "PAUSED", state_details={"run_input_keyset": keyset}), 201)
    wrong = ok(resume(api, run, {"age": "old"}))
    assert (wrong["status"], wrong["state"]["type"]) == ("REJECT", "PAUSED")
    assert "run_input.age" in wrong["details"]["reason"]
    assert ok(resume(api, run, {"age": 7}), 201)["state"]["type"] == "RUNNING"
    assert api.http.get(f"flow_runs/{run}/input/form-response").text == '{"age":7}'


def test_a_retry_in_process_keeps_the_slot_and_is_not_launched(api: Api) -> None:
    run, container = launched(api)
    ok(api.http.patch(f"flow_runs/{run}", json={"empirical_policy": {"retries": 2, "retry_delay": [5, 10]}}), 204)
    waits = ok(api.propose(run, "FAILED"), 201)["state"]
    assert (waits["name"], waits["state_details"]["scheduled_time"][:19]) == ("AwaitingRetry", api.at(5)[:19])
    assert api.read(run)["empirical_policy"]["retry_type"] == "in_process"
    api.place.clock.advance(30)
    assert api.launch() == [container]
    ok(api.propose(run, "RUNNING", name="Retrying"), 201)
    again = ok(api.propose(run, "FAILED"), 201)["state"]
    assert again["state_details"]["scheduled_time"][:19] == api.at(10)[:19]
    container.end(1)  # it is not to wait for a process that is gone
    look(api)
    assert api.launch() not in ([], [container])


def test_a_retry_in_a_process_of_somebody_else_is_not_launched(api: Api) -> None:
    """A run of a pool that a person executes by hand."""
    api.pool(is_paused=True)
    run = api.run(api.deployment()["id"])["id"]
    ok(api.http.patch(f"flow_runs/{run}", json={"empirical_policy": {"retries": 1}}), 204)
    ok(api.propose(run, "RUNNING"), 201)
    assert ok(api.propose(run, "FAILED"), 201)["state"]["name"] == "AwaitingRetry"
    ok(api.http.patch("work_pools/pool", json={"is_paused": False}), 204)
    assert api.launch() == []
    ok(api.propose(run, "RUNNING"), 201)
    ok(api.propose(run, "FAILED"), 201)
    ok(api.propose(run, "SCHEDULED"), 201)
    assert len(api.launch()) == 1, "a retry that a person asked for is"


def test_inputs(api: Api) -> None:
    run = ok(api.http.post("flow_runs/", json={"flow_id": api.flow()}), 201)["id"]

    def send(key: str, value: str = "1", **body: Any) -> Any:
        return api.http.post(f"flow_runs/{run}/input", json={"key": key, "value": value} | body)

    def find(prefix: str, **body: Any) -> list[str]:
        found = ok(api.http.post(f"flow_runs/{run}/input/filter", json={"prefix": prefix} | body))
        return [each["key"] for each in found]

    for key in ("a-1", "a_2", "b-3"):
        ok(send(key, sender="prefect.flow-run.x"), 201)
    refused(send("a-1"), 409, "a-1")
    refused(send("a/1"), 422, "key")
    refused(send("big", "x" * (512 * 1024 + 1)), 422, "524288")
    assert find("a") == ["a-1"], "one, where nothing else was said"
    assert find("a", limit=9) == ["a-1", "a_2"]
    assert find("a_", limit=9) == ["a_2"], "an underscore is one"
    assert find("", limit=9, exclude_keys=["a-1"]) == ["a_2", "b-3"]
    [read] = ok(api.http.post(f"flow_runs/{run}/input/filter", json={"prefix": "b"}))
    assert (read["value"], read["sender"], read["flow_run_id"]) == ("1", "prefect.flow-run.x", run)
    ok(api.http.delete(f"flow_runs/{run}/input/a-1"), 204)
    refused(api.http.delete(f"flow_runs/{run}/input/a-1"), 404, "a-1")
    refused(api.http.get(f"flow_runs/{run}/input/a-1"), 404, "a-1")
    ok(api.http.delete(f"flow_runs/{run}"), 204)
    refused(send("late"), 404, run)
    assert find("", limit=9) == []
