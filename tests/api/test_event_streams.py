"""Websockets: events and logs that come in and go out, and who may do that."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from fastapi.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from skylift import feeds
from skylift.api import create_app
from skylift.ids import RUN_TOKEN_PREFIX, new_id
from skylift.settings import Settings
from skylift.store.tables import attempts, events, task_runs
from tests.api.events_making import event, flow_run, life, related, send, token_of, until
from tests.api.making import Api, ok
from tests.support.installation import Installation


@pytest.fixture
def store_url(sqlite_url: str) -> str:
    """One database is enough: the queries are those of the other routes."""
    return sqlite_url


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeds, "EVERY", 0.02)


# -- websockets -------------------------------------------------------------------------------------------------------


@contextmanager
def socket(api: Api, path: str, token: str | None = None, **headers: str) -> Iterator[Any]:
    """An open one, greeted as Prefect's client does."""
    opened: Any
    with api.http.websocket_connect(f"/api/{path}", subprotocols=["prefect"], headers=headers) as opened:
        assert opened.accepted_subprotocol == "prefect"
        opened.send_json({"type": "auth", "token": token})
        assert opened.receive_json() == {"type": "auth_success"}
        yield opened


def test_events_in(api: Api) -> None:
    run = flow_run(api)
    told = life(run, new_id(), retries=3)
    with socket(api, "events/in") as opened:
        for each in [told[0], *told]:
            opened.send_json(each)
        opened.send_text("no event")
        opened.send_json(event("after.that"))
        until(lambda: len(api.place.rows(events)) == len(told) + 1)
    (row,) = api.place.rows(task_runs)
    assert (row.state_name, row.run_count) == ("Completed", 4)


def test_events_in_without_a_greeting(api: Api) -> None:
    with api.http.websocket_connect("/api/events/in") as opened:
        opened.send_json(event("legacy"))
        until(lambda: api.place.rows(events))


def test_a_listener_hears_of_what_was_and_of_what_comes(api: Api) -> None:
    run, other = flow_run(api), flow_run(api)
    send(api, event("long.ago", f"prefect.flow-run.{run}", occurred=api.at(-3600)))
    wanted = {"any_resource": {"id": [f"prefect.flow-run.{run}"]}, "occurred": {"since": api.at(-60)}}
    with socket(api, "events/out") as opened:
        opened.send_json({"type": "filter", "filter": wanted})
        first = opened.receive_json()
        assert (first["type"], first["event"]["event"]) == ("event", "prefect.flow-run.Running")
        ok(api.propose(other, "CANCELLING"), 201)
        ok(api.propose(run, "CANCELLING"), 201)
        assert opened.receive_json()["event"]["event"] == "prefect.flow-run.Cancelling"
        send(api, event("custom", related=[related("flow-run", run)]))
        assert opened.receive_json()["event"]["event"] == "custom"
        ok(api.propose(run, "CANCELLED", force=True), 201)
        last = opened.receive_json()["event"]
        assert last["resource"]["prefect.state-type"] == "CANCELLED"
        assert last["id"] == api.read(run)["state_id"]


def test_listeners_with_different_wishes(api: Api) -> None:
    run = flow_run(api)
    narrow = {"event": {"name": ["prefect.flow-run.Cancelling"]}}
    with socket(api, "events/out") as one, socket(api, "events/out") as two:
        one.send_json({"type": "filter", "filter": narrow, "backfill": True})
        two.send_json({"type": "filter", "filter": {"event": {"prefix": ["x."]}}})
        # Who is in the past of a second listener with wider wishes was heard of by nobody, and must not come now.
        send(api, event("x.1"))
        assert two.receive_json()["event"]["event"] == "x.1"
        ok(api.propose(run, "CANCELLING"), 201)
        heard = one.receive_json()["event"]
        assert (heard["event"], heard["id"]) == ("prefect.flow-run.Cancelling", api.read(run)["state_id"])
        send(api, event("x.2"))
        assert two.receive_json()["event"]["event"] == "x.2"


def test_a_backfill_of_many_pages_comes_whole_and_once(api: Api) -> None:
    batch = [event("x", occurred=api.at(-number % 7)) for number in range(450)]
    send(api, *batch)
    with socket(api, "events/out") as opened:
        opened.send_json({"type": "filter", "filter": {"event": {"name": ["x"]}}})
        heard = [opened.receive_json()["event"]["id"] for _ in batch]
        assert sorted(heard) == sorted(each["id"] for each in batch)
        last = event("x")
        send(api, last)
        assert opened.receive_json()["event"]["id"] == last["id"]


def _closed(opened: Any, code: int) -> str:
    with pytest.raises(WebSocketDisconnect) as closed:
        opened.receive_json()
    assert closed.value.code == code
    return str(closed.value.reason)


def test_frames_that_do_not_belong_there(api: Api) -> None:
    for frame in ('{"type": "filter", "filter": {"colour": 1}}', '{"type": "hello"}', "[]", "{"):
        with socket(api, "events/out") as opened:
            opened.send_text(frame)
            assert _closed(opened, 1002)
    with api.http.websocket_connect("/api/events/out", subprotocols=["prefect"]) as opened:
        opened.send_json({"type": "filter", "filter": {}})
        assert "auth" in _closed(opened, 1002)


def _line(run: str, message: str, at: str) -> dict[str, Any]:
    return {"name": "n", "level": 20, "message": message, "timestamp": at, "flow_run_id": run}


def test_logs_out(api: Api) -> None:
    run, other = flow_run(api), flow_run(api)

    def log(message: str, of: str = run, at: str | None = None) -> None:
        ok(api.http.post("logs/", json=[_line(of, message, at or api.at())]), 201)

    log("too old", at=api.at(-600))
    log("before")
    asked = {"flow_run_id": {"any_": [run]}, "timestamp": {"after_": api.at(-60), "before_": api.at(10**6)}}
    with socket(api, "logs/out") as opened:
        opened.send_json({"type": "filter", "filter": {"operator": "and_", "level": None, "text": None} | asked})
        first = opened.receive_json()
        assert (first["type"], first["log"]["message"]) == ("log", "before")
        log("of another", other)
        log("after")
        second = opened.receive_json()["log"]
        assert second["message"] == "after"
        assert second["id"] in {each["id"] for each in ok(api.http.post("logs/filter", json={"logs": asked}))}


# -- who may come in --------------------------------------------------------------------------------------------------


@pytest.fixture
def guarded(sqlite_url: str) -> Iterator[Api]:
    """With an API key."""
    place = Installation(sqlite_url)
    parts = replace(place.parts, settings=Settings(api_key="hunter2-with:colon"))
    with TestClient(create_app(parts), base_url="http://skylift/api/") as http:
        yield Api(http, place)
    place.close()


def _refused_at_greeting(api: Api, path: str, token: str | None, **headers: str) -> None:
    with api.http.websocket_connect(f"/api/{path}", subprotocols=["prefect"], headers=headers) as opened:
        opened.send_json({"type": "auth", "token": token})
        assert opened.receive_json()["type"] == "auth_failure"
        _closed(opened, 1008)


def test_with_an_api_key(guarded: Api) -> None:
    for path in ("events/in", "events/out", "logs/out"):
        for token in ("hunter2-with:colon", "user:hunter2-with:colon"):
            with socket(guarded, path, token):
                pass
        with socket(guarded, path, None, Authorization="Bearer hunter2-with:colon"):
            pass
        with guarded.http.websocket_connect(f"/api/{path}", headers={"Authorization": "bearer hunter2-with:colon"}):
            pass
        for wrong in (None, "", "key", "user:key", RUN_TOKEN_PREFIX + "x", "user:" + RUN_TOKEN_PREFIX + "x"):
            _refused_at_greeting(guarded, path, wrong)
        _refused_at_greeting(guarded, path, None, Authorization="Bearer wrong")
        with pytest.raises(WebSocketDisconnect), guarded.http.websocket_connect(f"/api/{path}"):
            pass


def test_run_tokens_on_websockets(api: Api) -> None:
    run, foreign = flow_run(api), flow_run(api)
    token = token_of(api.place, run)
    with socket(api, "events/in", f"user:{token}") as opened:
        for each in (run, foreign):
            opened.send_json(event(f"of.{each}", related=[related("flow-run", each)]))
        opened.send_json(event("last"))
        until(lambda: "last" in [row.event for row in api.place.rows(events)])
    assert {row.event for row in api.place.rows(events)} == {f"of.{run}", "last"}
    with socket(api, "events/out", token) as opened:
        opened.send_json({"type": "filter", "filter": {"event": {"prefix": ["prefect.flow-run."]}}})
        assert run in opened.receive_json()["event"]["resource"]["prefect.resource.id"]
        ok(api.propose(foreign, "CANCELLING"), 201)
        ok(api.propose(run, "CANCELLING"), 201)
        assert run in opened.receive_json()["event"]["resource"]["prefect.resource.id"]
    for asked in ({}, {"flow_run_id": {"any_": [foreign]}}, {"flow_run_id": {"any_": [run, foreign]}}):
        with socket(api, "logs/out", token) as opened:
            opened.send_json({"type": "filter", "filter": asked})
            _closed(opened, 1002)
    with socket(api, "logs/out", token) as opened:
        opened.send_json({"type": "filter", "filter": {"flow_run_id": {"any_": [run]}}})
    _refused_at_greeting(api, "events/out", RUN_TOKEN_PREFIX + "unknown")


def test_a_token_that_is_no_longer_valid_stores_nothing_more(api: Api) -> None:
    run = flow_run(api)
    with socket(api, "events/in", token_of(api.place, run)) as opened:
        opened.send_json(event("first"))
        until(lambda: api.place.rows(events))
        api.place.store.transaction(lambda tx: tx.run(attempts.delete()))
        opened.send_json(event("second"))
        _closed(opened, 1008)
    assert [row.event for row in api.place.rows(events)] == ["first"]
