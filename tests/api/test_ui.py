"""What only web pages ask for: figures beside lists, points of charts, and the graph of a run."""

from __future__ import annotations

from typing import Any

import pytest

from skylift.ids import new_id
from skylift.store import run_graph
from tests.api.events_making import flow_run, of_task_run, send
from tests.api.making import Api, ok, refused


def _task(api: Api, run: str, name: str, after: tuple[str, ...] = (), within: tuple[str, ...] = (), **body: Any) -> str:
    """A task run that began when these were over."""
    task_run_id = str(new_id())
    inputs: dict[str, Any] = {"x": [{"input_type": "task_run", "id": each} for each in after]}
    inputs |= {"__parents__": [{"input_type": "task_run", "id": each} for each in within], "y": [{"value": 1}]}
    values = {"start_time": api.at(), "expected_start_time": api.at(), "end_time": api.at(1)} | body
    made = of_task_run(run, task_run_id, "COMPLETED", key=name, task_inputs=inputs, at=api.place.clock.at, **values)
    send(api, made)
    api.place.clock.advance(2)
    return task_run_id


def _edges(node: dict[str, Any], kind: str) -> set[str]:
    return {each["id"] for each in node[kind]}


def test_the_graph_of_a_run(api: Api) -> None:
    run = flow_run(api)
    first = _task(api, run, "first")
    second = _task(api, run, "second", after=(first, str(new_id())))
    inner = _task(api, run, "inner", within=(second,))
    stand_in = ok(api.http.post("task_runs/", json={"flow_run_id": run, "task_key": "s", "dynamic_key": "0"}), 201)[
        "id"
    ]
    subflow = flow_run(api, parent_task_run_id=stand_in, name="below")
    api.place.clock.advance(1)
    last = _task(api, run, "last", after=(first, stand_in, second))
    artifact = {"type": "progress", "key": "p", "data": 7, "flow_run_id": run, "task_run_id": second}
    old = ok(api.http.post("artifacts/", json=artifact), 201)["id"]
    new = ok(api.http.post("artifacts/", json=artifact | {"type": "markdown", "data": "secret"}), 201)["id"]
    own = ok(api.http.post("artifacts/", json={"type": "table", "data": "[]", "flow_run_id": run}), 201)["id"]
    ok(api.http.post("artifacts/", json={"type": "result", "data": "x", "flow_run_id": run}), 201)

    graph = ok(api.http.get(f"flow_runs/{run}/graph-v2"))
    nodes = dict(graph["nodes"])
    assert list(nodes) == [first, second, inner, subflow, last], "by their starts"
    assert graph["root_node_ids"] == [first, inner, subflow]
    assert _edges(nodes[second], "parents") == {first}, "what is of another run is no edge"
    assert _edges(nodes[first], "children") == {second, last}
    assert _edges(nodes[inner], "encapsulating") == {second}
    assert _edges(nodes[last], "parents") == {first, subflow, second}
    assert _edges(nodes[subflow], "children") == {last}
    assert (nodes[subflow]["kind"], nodes[subflow]["label"]) == ("flow-run", "flow / below")
    assert (nodes[subflow]["end_time"], nodes[last]["kind"]) == (None, "task-run")
    shown = [(each["id"], each["is_latest"], each["data"]) for each in nodes[second]["artifacts"]]
    assert shown == [(old, False, 7), (new, True, None)]
    assert [each["id"] for each in graph["artifacts"]] == [own]
    assert [each["name"] for each in graph["states"]] == ["Running"]
    since = ok(api.http.get(f"flow_runs/{run}/graph-v2", params={"since": nodes[last]["start_time"]}))
    assert [key for key, _ in since["nodes"]] == [subflow, last], "what is not over, and what ended after"
    refused(api.http.get(f"flow_runs/{new_id()}/graph-v2"), 404)


@pytest.mark.parametrize("inputs", [{"x": "y"}, {"x": [1, None, {}, {"id": 3}, {"id": "z"}]}, {"__parents__": None}])
def test_inputs_that_make_no_sense_are_no_edges(api: Api, inputs: dict[str, Any]) -> None:
    run = flow_run(api)
    send(api, of_task_run(run, new_id(), "RUNNING", task_inputs=inputs, expected_start_time=api.at()))
    [[_, node]] = ok(api.http.get(f"flow_runs/{run}/graph-v2"))["nodes"]
    assert node["parents"] == node["encapsulating"] == []


def test_a_graph_that_is_too_large_is_refused(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    run = flow_run(api)
    for name in ("a", "b"):
        _task(api, run, name)
    monkeypatch.setattr(run_graph, "MOST_NODES", 1)
    refused(api.http.get(f"flow_runs/{run}/graph-v2"), 422, "more than 1 nodes")


def test_figures_beside_lists(api: Api) -> None:
    api.pool()
    api.deployment("a")
    later = api.deployment("b")["id"]
    run, other = flow_run(api), flow_run(api)
    _task(api, run, "one")
    stand_in = ok(api.http.post("task_runs/", json={"flow_run_id": run, "task_key": "s", "dynamic_key": "0"}), 201)[
        "id"
    ]
    flow_run(api, parent_task_run_id=stand_in)
    counts = ok(api.http.post("ui/flow_runs/count-task-runs", json={"flow_run_ids": [run, other]}))
    assert counts == {run: 1, other: 0}, "what stands for a subflow is no task"
    flow, empty = api.flow(), api.flow("empty")
    assert ok(api.http.post("ui/flows/count-deployments", json={"flow_ids": [flow, empty]})) == {flow: 2, empty: 0}
    api.run(later, after=600, name="second")
    first = api.run(later, after=60, name="first")["id"]
    found = ok(api.http.post("ui/flows/next-runs", json={"flow_ids": [flow, empty]}))
    assert found[empty] is None
    assert (found[flow]["id"], found[flow]["name"], found[flow]["state_name"]) == (first, "first", "Scheduled")
    refused(api.http.post("ui/flows/next-runs", json={"flow_ids": [flow] * 201}), 422, "flow_ids")


def test_runs_as_points(api: Api) -> None:
    run = flow_run(api, "SCHEDULED")
    api.place.clock.advance(5)
    ok(api.propose(run, "RUNNING", force=True), 201)
    api.place.clock.advance(3)
    [point] = ok(api.http.post("ui/flow_runs/history", json={"limit": 1000}))
    assert (point["id"], point["state_type"], point["lateness"], point["duration"]) == (run, "RUNNING", 5.0, 3.0)
    assert point["timestamp"] == api.read(run)["start_time"]
    none = {"flow_runs": {"state": {"type": {"any_": ["FAILED"]}}}}
    assert ok(api.http.post("ui/flow_runs/history", json=none)) == []
    refused(api.http.post("ui/flow_runs/history", json={"limit": 1001}), 422, "1000")


def test_task_runs_over_time(api: Api) -> None:
    stretch = {"history_start": api.at(), "history_end": api.at(4), "history_interval_seconds": 2}
    run = flow_run(api)
    _task(api, run, "one", total_run_time=1.5)
    _task(api, run, "two")
    first, second = ok(api.http.post("task_runs/history", json=stretch))
    assert [(each["state_name"], each["count_runs"]) for each in first["states"]] == [("Completed", 1)]
    assert first["states"][0]["sum_estimated_run_time"] == 1.5
    assert [each["count_runs"] for each in second["states"]] == [1]
    others = stretch | {"flow_runs": {"id": {"any_": [str(new_id())]}}}
    assert [each["states"] for each in ok(api.http.post("task_runs/history", json=others))] == [[], []]


def test_a_task_run_tells_its_flow_run(api: Api) -> None:
    run = flow_run(api, name="above")
    task = _task(api, run, "one")
    assert ok(api.http.get(f"ui/task_runs/{task}"))["flow_run_name"] == "above"
    assert ok(api.http.get("ui/task_runs/" + _alone(api)))["flow_run_name"] is None


def _alone(api: Api) -> str:
    made: str = ok(api.http.post("task_runs/", json={"task_key": "t", "dynamic_key": "0"}), 201)["id"]
    return made


def test_deployments_are_found_by_either_name(api: Api) -> None:
    api.pool()
    api.deployment("nightly")
    body = api.body("weekly") | {"flow_id": api.flow("Nightly report")}
    ok(api.http.post("deployments/", json=body), 201)
    api.deployment("other")
    wanted = {"deployments": {"flow_or_deployment_name": {"like_": "NIGHT"}}}
    assert {each["name"] for each in ok(api.http.post("deployments/filter", json=wanted))} == {"nightly", "weekly"}
    assert ok(api.http.post("deployments/count", json=wanted)) == 2
    refused(api.http.post("deployments/count", json={"deployments": {"flow_name": {"like_": "x"}}}), 422, "flow_name")
