"""Task runs: read from events in whatever order they come, and made, changed and asked for over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from skylift.ids import new_id
from skylift.models.events import Event
from skylift.store import Tx, events, sight
from skylift.store.tables import events as events_table
from skylift.store.tables import flow_runs, task_run_states
from skylift.store.tables import task_runs as table
from tests.api.events_making import flow_run, life, of_task_run, send, token_of
from tests.api.making import Api, ok, refused
from tests.conftest import Databases
from tests.support.installation import START, Installation


def read(api: Api, task_run_id: object) -> dict[str, Any]:
    found: dict[str, Any] = ok(api.http.get(f"task_runs/{task_run_id}"))
    return found


def states(api: Api, task_run_id: object) -> list[str]:
    return [each["name"] for each in ok(api.http.get(f"task_run_states/?task_run_id={task_run_id}"))]


def make(api: Api, run: str | None, status: int = 201, **body: Any) -> dict[str, Any]:
    wanted = {"flow_run_id": run, "task_key": "k", "dynamic_key": "0"} | body
    made: dict[str, Any] = ok(api.http.post("task_runs/", json=wanted), status)
    return made


def propose(api: Api, task_run_id: str, type_: str, *, force: bool = False, **state: Any) -> tuple[int, str, str]:
    """Status code, verdict, and the name of the state in the answer."""
    body = {"state": {"type": type_, **state}, "force": force}
    answer = api.http.post(f"task_runs/{task_run_id}/set_state", json=body)
    told = ok(answer, answer.status_code)
    return answer.status_code, told["status"], told["state"]["name"]


# -- from events ------------------------------------------------------------------------------------------------------


def test_a_life_as_its_events_tell_it(api: Api) -> None:
    run, key = flow_run(api), new_id()
    told = life(run, key, retries=1, tags=["t"], task_inputs={"x": []}, empirical_policy={"retries": 1})
    send(api, *told)
    found = read(api, key)
    assert {name: found[name] for name in ("name", "flow_run_id", "task_key", "dynamic_key", "tags", "run_count")} == {
        "name": "double-0",
        "flow_run_id": run,
        "task_key": "double",
        "dynamic_key": "0",
        "tags": ["t"],
        "run_count": 2,
    }
    assert (found["state_type"], found["state_name"], found["total_run_time"]) == ("COMPLETED", "Completed", 1.5)
    assert found["empirical_policy"] == {"retries": 1}
    assert found["state"]["id"] == found["state_id"] == told[-1]["id"]
    assert found["state"]["state_details"]["task_run_id"] == str(key)
    assert found["next_scheduled_start_time"] is None, "what an event does not tell is not so any more"
    assert (found["start_time"], found["end_time"]) == (
        _wire(START + timedelta(seconds=1)),
        _wire(START + timedelta(seconds=4)),
    )
    assert states(api, key) == ["Pending", "Running", "AwaitingRetry", "Retrying", "Completed"]
    state = ok(api.http.get(f"task_run_states/{told[1]['id']}"))
    assert (state["name"], state["state_details"]["flow_run_id"]) == ("Running", run)
    refused(api.http.get(f"task_run_states/{new_id()}"), 404)


def _wire(at: Any) -> str:
    return str(at.isoformat()).replace("+00:00", "Z")


def test_a_flow_that_is_retried_goes_on_with_its_task_runs(api: Api) -> None:
    run, first, second = flow_run(api), new_id(), new_id()
    send(api, *life(run, first, retries=0))
    send(api, *life(run, second, retries=0, start=START + timedelta(hours=1), flow_run_run_count=2))
    refused(api.http.get(f"task_runs/{second}"), 404)
    assert read(api, first)["flow_run_run_count"] == 2
    assert len(states(api, first)) == 6


def test_what_is_told_wrongly_harms_nothing_else(api: Api) -> None:
    run, good = flow_run(api), new_id()
    wrong: list[dict[str, Any]] = [
        of_task_run(run, new_id(), "RUNNING", run_count=2**40, dynamic_key="a"),
        of_task_run(run, new_id(), "RUNNING", total_run_time="long", dynamic_key="b"),
        of_task_run(run, new_id(), "RUNNING", name="x" * 3000, dynamic_key="c") | {"event": "prefect.task-run.x"},
        of_task_run(run, new_id(), "RUNNING", key="k" * 5000, dynamic_key="d"),
        of_task_run(run, "no-uuid", "RUNNING", dynamic_key="e"),
        of_task_run(run, new_id(), "DREAMING", name="Dreaming"),
        of_task_run(new_id(), new_id(), "RUNNING", dynamic_key="f"),
        of_task_run(run, new_id(), "RUNNING", dynamic_key="g") | {"payload": {}},
    ]
    same = new_id()
    confused = [of_task_run(run, same, "RUNNING", dynamic_key=key) for key in ("h", "i")]
    send(api, *wrong[:4], *life(run, good), *wrong[4:], *confused, of_task_run(run, same, "FAILED", dynamic_key="0"))
    assert read(api, good)["state_name"] == "Completed"
    keys = {row.dynamic_key for row in api.place.rows(table)}
    assert keys == {"0", "c", "h"}, "an id stands for one key"


def test_nul_in_texts(api: Api) -> None:
    run, key = flow_run(api), new_id()
    told = of_task_run(run, key, "FAILED", dynamic_key="0")
    told["payload"]["task_run"]["name"] = "a\0b"
    told["payload"]["validated_state"]["message"] = "c\0d"
    send(api, told)
    found = read(api, key)
    assert (found["name"], found["state"]["message"]) == ("a�b", "c�d")


@pytest.fixture(scope="module")
def place(databases: Databases) -> Iterator[Installation]:
    with databases.sqlite() as url:
        opened = Installation(url)
        opened.pool()
        opened.run(opened.deployment().id)
        yield opened
        opened.close()


@settings(max_examples=30)
@given(st.data())
def test_events_in_any_order_with_repeats_tell_the_same(place: Installation, data: st.DataObject) -> None:
    _forget(place)
    (run,) = [row.id for row in place.rows(flow_runs)]
    told: list[dict[str, Any]] = []
    for number in range(data.draw(st.integers(1, 3), "tasks")):
        made = life(run, new_id(), retries=data.draw(st.integers(0, 2), "retries"), dynamic_key=str(number))
        if data.draw(st.booleans(), "all at one instant"):
            made = [each | {"occurred": START.isoformat()} for each in made]
        told += made
    parsed = [Event.model_validate(each) for each in told]
    place.store.transaction(events.append, parsed)
    wanted = _known(place)
    assert [row["state_name"] for row in wanted[0]] == ["Completed"] * len(wanted[0])
    _forget(place)
    repeated = data.draw(st.permutations(parsed + data.draw(st.lists(st.sampled_from(parsed), max_size=6))))
    while repeated:
        size = data.draw(st.integers(1, len(repeated)), "batch")
        place.store.transaction(events.append, repeated[:size])
        repeated = repeated[size:]
    assert _known(place) == wanted


def _forget(place: Installation) -> None:
    place.store.transaction(lambda tx: [tx.run(each.delete()) for each in (table, task_run_states, events_table)])


def _known(place: Installation) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    with place.store.reading() as tx:
        return (
            [dict(row._mapping) for row in tx.all(select(table).order_by(table.c.id))],
            [dict(row._mapping) for row in tx.all(select(task_run_states).order_by(task_run_states.c.id))],
        )


# -- over HTTP --------------------------------------------------------------------------------------------------------


def test_made_once_for_each_key(api: Api) -> None:
    run = flow_run(api, labels={"team": "x"})
    made = make(api, run, labels={"mine": 1}, task_inputs={"n": []}, tags=["t"], name="n")
    assert (made["state"]["name"], made["state_name"], made["run_count"]) == ("Pending", "Pending", 0)
    origin = {"prefect.flow.id": api.read(run)["flow_id"], "prefect.flow-run.id": run}
    assert made["labels"] == {"team": "x", "mine": 1} | origin
    assert read(api, made["id"]) == make(api, run, 200, name="other") == made
    named = make(api, run, dynamic_key="1", id=str(new_id()), state={"type": "RUNNING"})
    assert (named["run_count"], named["start_time"]) == (1, _wire(api.place.clock.at))
    refused(api.http.post("task_runs/", json=_body(run, "2") | {"id": named["id"]}), 409, named["id"])
    missing = str(new_id())
    refused(api.http.post("task_runs/", json=_body(missing, "0")), 404, missing)
    alone = make(api, None)
    assert make(api, None, 200)["id"] == alone["id"]


def _body(run: str, dynamic_key: str) -> dict[str, Any]:
    return {"flow_run_id": run, "task_key": "k", "dynamic_key": dynamic_key}


def test_changed_and_deleted(api: Api) -> None:
    made = make(api, flow_run(api))
    ok(api.http.patch(f"task_runs/{made['id']}", json={"name": "new"}), 204)
    assert read(api, made["id"])["name"] == "new"
    ok(api.http.delete(f"task_runs/{made['id']}"), 204)
    assert states(api, made["id"]) == []
    for method, path in (("GET", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "/set_state")):
        body = {"json": {"state": {"type": "RUNNING"}}} if method in ("POST", "PATCH") else {}
        refused(api.http.request(method, f"task_runs/{made['id']}{path}", **body), 404, made["id"])


def test_proposed_states(api: Api) -> None:
    run = flow_run(api, "PENDING")
    key = make(api, run, empirical_policy={"retries": 1, "retry_delay": [5]})["id"]
    assert propose(api, key, "RUNNING") == (200, "ABORT", "Pending"), "the flow is not running"
    ok(api.propose(run, "RUNNING"), 201)
    assert propose(api, key, "RUNNING") == (201, "ACCEPT", "Running")
    assert propose(api, key, "FAILED", message="no") == (201, "REJECT", "AwaitingRetry")
    assert propose(api, key, "RUNNING") == (200, "WAIT", "AwaitingRetry")
    api.place.clock.advance(5)
    assert propose(api, key, "RUNNING") == (201, "ACCEPT", "Retrying")
    api.place.clock.advance(2)
    assert propose(api, key, "FAILED") == (201, "ACCEPT", "Failed")
    found = read(api, key)
    assert (found["run_count"], found["flow_run_run_count"], found["total_run_time"]) == (2, 1, 2.0)
    assert found["end_time"] == _wire(api.place.clock.at)
    assert propose(api, key, "CRASHED") == (200, "ABORT", "Failed")
    assert propose(api, key, "RUNNING") == (201, "ACCEPT", "Running")
    assert (read(api, key)["run_count"], read(api, key)["end_time"]) == (1, None), "it may retry as often as before"
    once: Any = {"state_details": {"transition_id": str(new_id())}}
    assert propose(api, key, "COMPLETED", data={"type": "reference"}, **once) == (201, "ACCEPT", "Completed")
    assert propose(api, key, "COMPLETED", **once) == (200, "REJECT", "Completed")
    assert propose(api, key, "RUNNING") == (200, "REJECT", "Completed"), "its result was kept"
    assert propose(api, key, "RUNNING", force=True)[:2] == (201, "ACCEPT")


def test_a_subflows_task_run_goes_with_it(api: Api) -> None:
    run = flow_run(api)
    key = make(api, run, task_key="child", state={"type": "PENDING"})["id"]
    sub = flow_run(api, "PENDING", parent_task_run_id=key)
    found = read(api, key)["state"]["state_details"]
    assert (found["child_flow_run_id"], found["flow_run_id"], found["task_run_id"]) == (sub, run, key)
    ok(api.propose(sub, "RUNNING"), 201)
    api.place.clock.advance(3)
    ok(api.propose(sub, "FAILED", message="broken"), 201)
    found = read(api, key)
    assert (found["state_name"], found["run_count"], found["total_run_time"]) == ("Failed", 1, 3.0)
    assert found["state"]["message"] == "broken"
    assert states(api, key) == ["Pending", "Pending", "Running", "Failed"]


def test_asked_for(api: Api) -> None:
    run, other = flow_run(api), flow_run(api)
    one, two = make(api, run, name="one", tags=["t"]), make(api, run, name="two", dynamic_key="1")
    three = make(api, other, name="three", state={"type": "RUNNING"})
    sub = flow_run(api, "PENDING", parent_task_run_id=one["id"])

    def found(**body: Any) -> list[str]:
        return [each["name"] for each in ok(api.http.post("task_runs/filter", json={"sort": "NAME_ASC"} | body))]

    assert found() == ["one", "three", "two"]
    assert found(task_runs={"flow_run_id": {"any_": [run]}}) == ["one", "two"]
    assert found(flow_runs={"id": {"any_": [run]}}, limit=1) == ["one"]
    assert found(flows={"name": {"any_": ["flow"]}}, sort="NAME_DESC") == ["two", "three", "one"]
    assert found(task_runs={"state": {"type": {"any_": ["RUNNING"]}}}) == found(task_runs={"name": {"like_": "hre"}})
    assert found(task_runs={"id": {"any_": [two["id"]]}}) == ["two"]
    assert found(task_runs={"tags": {"all_": ["t"]}}) == ["one"]
    assert found(task_runs={"subflow_runs": {"exists_": True}}) == ["one"]
    assert found(task_runs={"subflow_runs": {"exists_": False}}) == ["three", "two"]
    assert ok(api.http.post("task_runs/count", json={"task_runs": {"flow_run_id": {"any_": [run]}}})) == 2
    page = ok(api.http.post("task_runs/paginate", json={"limit": 2, "page": 2, "sort": "NAME_ASC"}))
    assert ([each["name"] for each in page["results"]], page["count"], page["pages"]) == (["two"], 3, 2)

    def runs(**body: Any) -> list[str]:
        return [each["id"] for each in ok(api.http.post("flow_runs/filter", json=body))]

    assert runs(flow_runs={"parent_task_run_id": {"any_": [one["id"]]}}) == [sub]
    assert runs(flow_runs={"parent_flow_run_id": {"any_": [run]}}) == [sub]
    assert runs(task_runs={"id": {"any_": [three["id"]]}}) == [other]


def test_a_runs_token_reaches_its_own_task_runs_only(api: Api) -> None:
    run, foreign = flow_run(api), flow_run(api)
    key = make(api, run, state={"type": "PENDING"})["id"]
    theirs = make(api, foreign)["id"]
    sub = flow_run(api, "PENDING", parent_task_run_id=key)
    http, headers = api.http, {"Authorization": f"Bearer {token_of(api.place, run)}"}
    ok(http.post("task_runs/", json=_body(run, "1"), headers=headers), 201)
    in_sub = ok(http.post("task_runs/", json=_body(sub, "1"), headers=headers), 201)["id"]
    ok(http.patch(f"task_runs/{in_sub}", json={"name": "x"}, headers=headers), 204)
    refused(http.get(f"task_runs/{theirs}", headers=headers), 403)
    ok(http.post(f"flow_runs/{sub}/set_state", json={"state": {"type": "RUNNING"}}, headers=headers), 201)
    line = {"name": "n", "level": 1, "message": "m", "timestamp": api.at(), "flow_run_id": sub}
    ok(http.post("logs/", json=[line], headers=headers), 201)
    state = {"state": {"type": "FAILED"}}
    refused(http.post("task_runs/", json=_body(foreign, "1"), headers=headers), 403)
    refused(http.post("task_runs/", json={"task_key": "k", "dynamic_key": "0"}, headers=headers), 403)
    refused(http.patch(f"task_runs/{theirs}", json={"name": "x"}, headers=headers), 403)
    refused(http.post(f"task_runs/{theirs}/set_state", json=state, headers=headers), 403)
    refused(http.post(f"flow_runs/{foreign}/set_state", json=state, headers=headers), 403)
    refused(http.delete(f"task_runs/{key}", headers=headers), 403)
    child = {"flow_id": api.flow(), "parent_task_run_id": theirs}
    refused(http.post("flow_runs/", json=child, headers=headers), 403)
    api.pool()
    path = f"deployments/{api.deployment()['id']}/create_flow_run"
    refused(http.post(path, json=child, headers=headers), 403)
    refused(http.post(f"{path}/bulk", json=[child], headers=headers), 403)
    ok(http.post(path, json=child | {"parent_task_run_id": key}, headers=headers), 201)


def test_subflows_at_any_depth(api: Api) -> None:
    chain = [flow_run(api)]
    for _ in range(4):
        chain.append(flow_run(api, parent_task_run_id=make(api, chain[-1])["id"]))
    ids = [UUID(each) for each in (*chain, flow_run(api))]

    def below(tx: Tx, top: UUID) -> set[UUID]:
        return sight.own_or_below(tx, top, ids)

    with api.place.store.reading() as tx:
        assert below(tx, ids[0]) == set(ids[:-1])
        assert below(tx, ids[3]) == {ids[3], ids[4]}
        assert below(tx, new_id()) == set()
