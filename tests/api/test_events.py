"""Events over HTTP: sent and asked for; states of flow runs are events as well."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import event as sqlalchemy_event

from skylift.ids import new_id
from skylift.store.tables import events, flow_run_states, task_runs
from tests.api.events_making import event, flow_run, life, names, of_task_run, related, send, token_of
from tests.api.making import Api, ok, refused
from tests.support.installation import START


def find(api: Api, limit: int = 50, **wanted: Any) -> dict[str, Any]:
    page: dict[str, Any] = ok(api.http.post("events/filter", json={"filter": wanted, "limit": limit}))
    return page


# -- over HTTP --------------------------------------------------------------------------------------------------------


def test_an_event_is_kept_once_as_it_was_sent(api: Api) -> None:
    run = flow_run(api)
    sent = event(
        "order.shipped",
        "shop.order.1",
        related=[related("flow-run", run)],
        payload={"n": [1, {"a": None}]},
        follows=str(new_id()),
    )
    send(api, sent, sent)
    send(api, sent | {"event": "another.name"})
    page = find(api, event={"prefix": ["order."]})
    assert (page["total"], page["next_page"]) == (1, None)
    (found,) = page["events"]
    assert found.pop("received") == found.pop("occurred")
    assert found == {name: value for name, value in sent.items() if name != "occurred"}
    (row,) = api.place.rows(events)
    assert str(row.flow_run_id) == run


def test_what_is_no_event_is_refused_and_nothing_of_its_batch_kept(api: Api) -> None:
    for wrong in (
        {"id": "x"},
        {"occurred": "yesterday"},
        {"event": "e" * 2000},
        {"resource": {"name": "x"}},
        {"resource": {"prefect.resource.id": ""}},
        {"resource": {"prefect.resource.id": "x\0"}},
        {"related": [{"prefect.resource.id": "x"}]},
        {"related": [related("tag", "x")] * 101},
    ):
        answer = api.http.post("events", json=[event(), event(**wrong)])
        assert answer.status_code == 422, wrong
    assert api.place.rows(events) == []
    assert api.http.post("events/", json=[], follow_redirects=False).status_code in (307, 404, 405)


def test_states_of_flow_runs_are_events_and_cost_nothing(api: Api) -> None:
    api.pool()
    deployment = api.deployment(tags=["night"])
    run = api.run(deployment["id"])
    api.place.clock.advance(5)
    ok(api.propose(run["id"], "PENDING"), 201)
    ok(api.propose(run["id"], "RUNNING", message="now"), 201)
    assert api.place.rows(events) == []
    mine: Any = {"any_resource": {"id": [f"prefect.flow-run.{run['id']}"]}, "order": "ASC"}
    page = find(api, **mine)
    assert names(page) == ["prefect.flow-run.Scheduled", "prefect.flow-run.Pending", "prefect.flow-run.Running"]
    last = page["events"][-1]
    state = api.read(run["id"])["state"]
    assert (last["id"], last["occurred"]) == (state["id"], state["timestamp"])
    resource = last["resource"]
    assert resource["prefect.resource.id"] == f"prefect.flow-run.{run['id']}"
    assert resource["prefect.resource.name"] == run["name"]
    assert [resource[f"prefect.state-{each}"] for each in ("type", "name", "message")] == ["RUNNING", "Running", "now"]
    by_role = {each["prefect.resource.role"]: each["prefect.resource.id"] for each in last["related"]}
    assert by_role["deployment"] == f"prefect.deployment.{deployment['id']}"
    assert set(by_role) == {"flow", "deployment", "work-queue", "work-pool", "tag"}
    assert names(find(api, related={"id": [by_role["deployment"]]}, event={"name": ["prefect.flow-run.Running"]}))
    send(api, event("prefect.flow-run.heartbeat", f"prefect.flow-run.{run['id']}", occurred=api.at(-1)))
    assert names(find(api, **mine))[1] == "prefect.flow-run.heartbeat", "merged in order of time"


def test_filters(api: Api) -> None:
    run, other = flow_run(api), flow_run(api)
    named = {"prefect.resource.id": "shop.order.1", "prefect.resource.name": "One", "colour": "red"}
    send(
        api,
        event("a.one", resource=named, related=[related("flow-run", run), related("tag", "x")]),
        event("a.two", "shop.order.2", occurred=api.at(10), payload={"why": "Blue Moon"}),
        event("b.three", "shop.cart.3", occurred=api.at(20), related=[related("work-pool", "p", size="big")]),
    )
    ours = {"event": {"exclude_prefix": ["prefect."]}}

    def found(**wanted: Any) -> list[str]:
        return names(find(api, **ours | {"order": "ASC"} | wanted))

    assert found() == ["a.one", "a.two", "b.three"]
    assert found(order="DESC") == ["b.three", "a.two", "a.one"]
    assert found(occurred={"since": api.at(10)}) == ["a.two", "b.three"]
    assert found(occurred={"since": api.at(1), "until": api.at(10)}) == ["a.two"]
    assert found(event={"prefix": ["a."]}) == ["a.one", "a.two"]
    assert found(event={"prefix": ["a.", "b."], "exclude_name": ["a.one"]}) == ["a.two", "b.three"]
    assert found(event={"name": ["b.three", "A.ONE"]}) == ["b.three"]
    assert found(resource={"id": ["shop.order.2"]}) == ["a.two"]
    assert found(resource={"id_prefix": ["shop.order."]}) == ["a.one", "a.two"]
    assert found(resource={"labels": {"colour": ["r*d"]}}) == ["a.one"]
    assert found(resource={"labels": {"colour": "!red"}}) == []
    assert found(related={"id": [f"prefect.flow-run.{run}"]}) == ["a.one"]
    assert found(related={"id": ["prefect.tag.x"]}) == ["a.one"]
    assert found(related={"role": ["work-pool"]}) == ["b.three"]
    assert found(related=[{"role": ["tag"]}, {"role": ["flow-run"]}]) == ["a.one"]
    assert found(related={"resources_in_roles": [["prefect.work-pool.p", "work-pool"]]}) == ["b.three"]
    assert found(related={"labels": {"size": "big"}}) == ["b.three"]
    assert found(any_resource={"id": ["shop.order.2"]}) == ["a.two"]
    assert found(any_resource={"id": ["prefect.work-pool.p", "shop.order.2"]}) == ["a.two", "b.three"]
    assert found(any_resource={"id_prefix": ["prefect.work-pool"]}) == ["b.three"]
    assert found(text={"query": '"blue moon" -cart'}) == ["a.two"]
    assert found(event=None, any_resource={"id": [f"prefect.flow-run.{other}"]}) == ["prefect.flow-run.Running"]
    assert found(event=None, any_resource={"id": [f"prefect.flow-run.{run}"]}) == ["prefect.flow-run.Running", "a.one"]
    assert found(event={"prefix": ["prefect.flow-run.Run"]}) == ["prefect.flow-run.Running"] * 2
    key = find(api, event={"name": ["a.one"]})["events"][0]["id"]
    assert found(id={"id": [key]}) == ["a.one"]
    refused(api.http.post("events/filter", json={"filter": {"colour": "red"}}), 422, "colour")
    refused(api.http.post("events/filter", json={"limit": 201}), 422, "limit")


def test_pages_follow_each_other_without_gap_or_overlap(api: Api) -> None:
    flow_run(api), flow_run(api)
    send(api, *(event(f"e.{number:02}", occurred=api.at(-(number // 3))) for number in range(11)))
    for order in ("ASC", "DESC"):
        page = find(api, limit=4, order=order)
        assert page["total"] == 13
        pages = [names(page)]
        while page["next_page"]:
            page = ok(api.http.get(page["next_page"]))
            pages.append(names(page))
        assert [len(each) for each in pages] == [4, 4, 4, 1]
        whole = names(find(api, order=order))
        assert [name for each in pages for name in each] == whole
        assert len(whole) == 13
    refused(api.http.get("events/filter/next?page-token=x"), 422, "token")


def test_counts(api: Api) -> None:
    send(api, *(event(f"e.{number % 2}", occurred=api.at(-3600 * number)) for number in range(5)))
    path = "events/count-by/{}"
    by_name = ok(api.http.post(path.format("event"), json={"filter": {}}))
    assert [(each["value"], each["count"]) for each in by_name] == [("e.0", 3), ("e.1", 2)]
    assert [each["count"] for each in ok(api.http.post(path.format("resource"), json={"filter": {}}))] == [5]
    hours = {"filter": {"occurred": {"since": api.at(-4 * 3600)}}, "time_unit": "hour", "time_interval": 2}
    by_time = ok(api.http.post(path.format("time"), json=hours))
    assert [each["count"] for each in by_time] == [2, 2, 1]
    by_day = ok(api.http.post(path.format("day"), json={"filter": {"occurred": {"since": api.at(-86400)}}}))
    assert [each["count"] for each in by_day] == [0, 5]
    refused(api.http.post(path.format("time"), json=hours | {"filter": {}}), 422, "spans")
    assert api.http.post(path.format("colour"), json={"filter": {}}).status_code == 422


def test_a_big_batch_takes_few_statements(api: Api) -> None:
    run = flow_run(api)
    batch = [each for number in range(100) for each in life(run, new_id(), dynamic_key=str(number))]
    assert len(batch) == 500
    said: list[str] = []

    def note(_conn: Any, _cursor: Any, statement: str, *_: Any) -> None:
        said.append(statement)

    engine = api.place.store.engine
    sqlalchemy_event.listen(engine, "before_cursor_execute", note)
    send(api, *batch)
    sqlalchemy_event.remove(engine, "before_cursor_execute", note)
    writes = [each for each in said if each.startswith("INSERT")]
    assert len(writes) == 3, "events, task runs, states"
    assert len(said) <= 10
    assert {row.state_type for row in api.place.rows(task_runs)} == {"COMPLETED"}
    assert len(api.place.rows(task_runs)) == 100


def test_what_a_deleted_run_reported_goes_with_it(api: Api) -> None:
    run, stays = flow_run(api), flow_run(api)
    for each in (run, stays):
        send(api, *life(each, new_id()), event(related=[related("flow-run", each)]))
    ok(api.http.delete(f"flow_runs/{run}"), 204)
    assert {str(row.flow_run_id) for row in api.place.rows(events)} == {stays}
    assert {str(row.flow_run_id) for row in api.place.rows(task_runs)} == {stays}
    assert {str(row.flow_run_id) for row in api.place.rows(flow_run_states)} == {stays}
    send(api, *life(run, new_id()))
    assert {str(row.flow_run_id) for row in api.place.rows(task_runs)} == {stays}, "late reports bring nothing back"


# -- runs and their tokens --------------------------------------------------------------------------------------------


def test_a_run_tells_of_itself_and_its_subflows_only(api: Api) -> None:
    run, foreign = flow_run(api), flow_run(api)
    parent_task = ok(api.http.post("task_runs/", json=_task(run)), 201)["id"]
    sub = flow_run(api, parent_task_run_id=parent_task)
    deeper = flow_run(api, parent_task_run_id=ok(api.http.post("task_runs/", json=_task(sub)), 201)["id"])
    headers = {"Authorization": f"Bearer {token_of(api.place, run)}"}
    said = [event(f"of.{each}", related=[related("flow-run", each)]) for each in (run, sub, deeper, foreign)]
    said += [event("of.nobody"), event("both", f"prefect.flow-run.{foreign}", related=[related("flow-run", run)])]
    said += [of_task_run(foreign, new_id(), "RUNNING"), of_task_run("none", new_id(), "RUNNING")]
    send(api, *said, headers=headers)
    kept = {row.event: row for row in api.place.rows(events)}
    assert set(kept) == {f"of.{run}", f"of.{sub}", f"of.{deeper}", "of.nobody"}
    assert str(kept["of.nobody"].flow_run_id) == run, "it goes with the run that sent it"
    assert all(str(row.flow_run_id) != foreign for row in api.place.rows(task_runs))
    seen = ok(api.http.post("events/filter", json={}, headers=headers))["events"]
    ids = {run_id for each in seen for run_id in (run, sub, deeper, foreign) if run_id in str(each)}
    assert ids == {run, sub, deeper}
    refused(api.http.post("events/count-by/event", json={}, headers=headers), 403)


def _task(run: str, **body: Any) -> dict[str, Any]:
    return {"flow_run_id": run, "task_key": "sub", "dynamic_key": "0", "state": {"type": "PENDING"}} | body


def test_a_known_task_run_is_not_taken_over_by_another_run(api: Api) -> None:
    run, foreign = flow_run(api), flow_run(api)
    theirs = new_id()
    send(api, *life(foreign, theirs))
    headers = {"Authorization": f"Bearer {token_of(api.place, run)}"}
    send(api, of_task_run(run, theirs, "FAILED", at=START + timedelta(hours=1)), headers=headers)
    (row,) = api.place.rows(task_runs)
    assert (str(row.flow_run_id), row.state_type) == (foreign, "COMPLETED")
