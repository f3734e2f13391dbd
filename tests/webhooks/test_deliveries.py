"""Deliveries over HTTP: what makes a run, what does not, and that the same one twice makes one."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from skylift import trigger
from skylift.models.webhooks import SignatureKind
from skylift.retention import retention
from skylift.store.tables import due, webhooks
from skylift.wakeups import Dispatch
from skylift.webhooks.deliveries import MAX_BODY, Delivery
from skylift.webhooks.signatures import sign
from tests.api.making import ok, refused
from tests.support.installation import Installation
from tests.webhooks.making import SECRET, Hooks, hooks_of
from tests.webhooks.test_payloads import BRIDGE, EVENT, GRID, PUB_SUB, S3, VALIDATION


def test_a_delivery_becomes_a_run_that_is_due(hooks: Hooks) -> None:
    hooks.create()
    sent: list[Any] = []
    hooks.api.place.store.wakeups.send = lambda wakeup, at: sent.append(wakeup)  # type: ignore[method-assign]
    receipt = ok(hooks.post({"order": 17}), 202)
    run = hooks.api.read(receipt["flow_run_id"])
    assert receipt["outcome"] == "run"
    assert run["parameters"] == {"order": 17}
    assert run["state_type"] == "SCHEDULED"
    assert run["created_by"] == {"id": hooks.made["id"], "type": "WEBHOOK", "display_value": "hook"}
    assert run["labels"]["skylift.webhook"] == "hook"
    assert [type(each) for each in sent] == [Dispatch], "dispatch is woken at once"
    assert len(hooks.api.launch()) == 1


@pytest.mark.parametrize("kind", SignatureKind)
def test_the_same_delivery_again_gets_the_same_answer(hooks: Hooks, kind: str) -> None:
    hooks.create(kind)
    headers = {"idempotency-key": "1"} if kind == "bearer" else {}
    first, again = (hooks.post({"a": 1}, headers=headers) for _ in range(2))
    assert ok(first, 202) == ok(again, 202)
    ok(hooks.post({"a": 2}, headers={"idempotency-key": "2"}), 202)
    assert len(hooks.runs()) == len(hooks.lines()) == 2


def test_what_is_not_signed_cannot_make_a_caught_delivery_new(hooks: Hooks) -> None:
    hooks.create("github")
    for delivery in ("1", "2"):
        headers = {"x-github-delivery": delivery, "idempotency-key": delivery, "ce-id": delivery}
        ok(hooks.post({"a": 1}, headers=headers), 202)
    assert len(hooks.runs()) == 1


def test_tokens_without_an_identity_make_a_run_each_time(hooks: Hooks) -> None:
    hooks.create("bearer")
    for _ in range(2):
        ok(hooks.post({}), 202)
    assert len(hooks.runs()) == 2


def _at_once(place: Installation, hook: dict[str, Any], times: int) -> set[str]:
    """The answers to one delivery that came in this often at the same moment."""
    body = b'{"a": 1}'
    delivery = Delivery(body, sign(SignatureKind.HMAC, SECRET, body, now=place.clock.at))
    hook_id = UUID(hook["id"])
    with ThreadPoolExecutor(8) as threads:
        return {
            str(each) for each in threads.map(lambda _: trigger.trigger(place.parts, hook_id, delivery), range(times))
        }


def test_the_same_delivery_at_once_makes_one_run(hooks: Hooks) -> None:
    hook = hooks.create()
    assert len(_at_once(hooks.api.place, hook, 24)) == 1
    assert len(hooks.runs()) == len(hooks.lines()) == hooks.due() == 1


def test_a_run_and_its_delivery_are_written_together(hooks: Hooks, monkeypatch: pytest.MonkeyPatch) -> None:
    hooks.create()

    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("the process was killed here")

    monkeypatch.setattr("skylift.store.runs.timeline.add", fail)
    logging.disable(logging.CRITICAL)
    assert hooks.post({"a": 1}).status_code == 500
    logging.disable(logging.NOTSET)
    assert (hooks.runs(), hooks.lines(), hooks.due()) == ([], [], 0)
    monkeypatch.undo()
    ok(hooks.post({"a": 1}), 202)
    assert len(hooks.runs()) == 1


def test_bad_ones_make_nothing(hooks: Hooks) -> None:
    hooks.create()
    refused(hooks.post({}, secret="another secret of this length"), 401, "signature")
    refused(hooks.post({}, headers={"skylift-signature": ""}), 401, "missing")
    refused(hooks.post({}, headers={"skylift-timestamp": "1"}), 401, "clock")
    refused(hooks.post(b" " * (MAX_BODY + 1)), 413, str(MAX_BODY))
    refused(hooks.post({}, path="/hooks/none"), 404)
    refused(hooks.post({}, path=f"/hooks/{hooks.deployment}"), 404)
    assert hooks.lines() == [], "strangers write nothing"
    refused(hooks.post(b"{"), 422, "not valid JSON")
    refused(hooks.post(b"\xff"), 422, "UTF-8")
    refused(hooks.post(b"<a/>", headers={"content-type": "application/xml"}), 415, "application/xml")
    assert hooks.runs() == []
    assert [line.outcome for line in hooks.lines()] == ["refused", "refused"]
    replayed = sign(SignatureKind.HMAC, SECRET, b"{}", now=hooks.api.place.clock.at)
    hooks.api.place.clock.at += timedelta(seconds=301)
    refused(hooks.post({}, headers=replayed), 401, "replay")
    assert hooks.runs() == []


def test_a_refused_delivery_may_come_again(hooks: Hooks) -> None:
    hooks.create("github", template={"parameters": {"p": "{{ body.there }}"}})
    said = refused(hooks.post({"a": 1}), 422, "has no attribute 'there'")
    http = hooks.api.http
    assert [each["reason"] for each in ok(http.get("skylift/webhooks/hook/deliveries"))] == [said]
    ok(http.patch("skylift/webhooks/hook", json={"template": {"parameters": {"p": "{{ body.a }}"}}}))
    run = hooks.api.read(ok(hooks.post({"a": 1}), 202)["flow_run_id"])
    assert run["parameters"] == {"p": 1}


def test_all_that_a_template_says_is_in_the_run(hooks: Hooks) -> None:
    template = {
        "parameters": {"ref": "{{ body.ref }}", "event": "{{ headers['x-github-event'] }}"},
        "job_variables": {"env": {"REF": "{{ body.ref }}"}},
        "name": "push to {{ body.ref }}",
        "tags": ["pushed"],
        "idempotency_key": "{{ body.id }}",
        "start_time": "{{ body.at }}",
        "when": "{{ body.ref != 'skip' }}",
    }
    hooks.create("github", template=template)
    at = hooks.api.at(3600)
    body = {"ref": "main", "id": 7, "at": at}
    run = hooks.api.read(ok(hooks.post(body, headers={"x-github-event": "push"}), 202)["flow_run_id"])
    assert run["parameters"] == {"ref": "main", "event": "push"}
    assert run["job_variables"] == {"env": {"REF": "main"}}
    assert (run["name"], run["tags"], run["idempotency_key"]) == ("push to main", ["pushed"], "7")
    assert run["expected_start_time"].startswith(at[:19])
    other = ok(hooks.post(body | {"more": True}, headers={"x-github-event": "push"}), 202)
    assert other["flow_run_id"] == run["id"], "the same idempotency key"
    skipped = ok(hooks.post(body | {"ref": "skip"}), 202)
    assert (skipped["outcome"], skipped["flow_run_id"]) == ("skipped", None)
    assert len(hooks.runs()) == 1


def test_parameters_are_held_to_the_deployments_schema(hooks: Hooks) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    hooks.create()
    made = hooks.api.deployment("strict", parameter_openapi_schema=schema, enforce_parameter_schema=True)
    ok(hooks.api.http.patch("skylift/webhooks/hook", json={"deployment_id": made["id"]}))
    refused(hooks.post({"n": "x"}), 422, "parameters.n")
    refused(hooks.post([]), 422, "'n' is a required property")
    assert hooks.runs() == []
    run = hooks.api.read(ok(hooks.post({"n": 1, "other": 2}), 202)["flow_run_id"])
    assert run["parameters"] == {"n": 1}


def test_clouds_events_as_they_come(hooks: Hooks) -> None:
    hooks.create("bearer", template={"parameters": {"type": "{{ event.type }}", "data": "{{ data }}"}})
    for body in (EVENT, BRIDGE, S3, PUB_SUB, GRID):
        first, again = (ok(hooks.post(body), 202)["flow_run_id"] for _ in range(2))
        assert first == again
        assert hooks.api.read(first)["parameters"]["type"]
    ce = {f"ce-{name}": str(EVENT[name]) for name in ("specversion", "type", "source", "id")}
    assert ok(hooks.post(EVENT["data"], headers=ce), 202)["flow_run_id"] in {str(run.id) for run in hooks.runs()}
    assert len(hooks.runs()) == 5, "an event is the same one in both modes"
    form = {"content-type": "application/x-www-form-urlencoded"}
    hooks.api.http.patch("skylift/webhooks/hook", json={"template": {"parameters": "{{ body }}"}})
    run = hooks.api.read(ok(hooks.post(b"a=1&b=2", headers=form), 202)["flow_run_id"])
    assert run["parameters"] == {"a": "1", "b": "2"}


def test_handshakes_and_pings_make_no_run(hooks: Hooks) -> None:
    made = hooks.create("bearer")
    code = VALIDATION[0]["data"]["validationCode"]  # type: ignore[index]
    with_token = f"{made['path']}?token={SECRET}"
    assert ok(hooks.post(VALIDATION, path=with_token, headers={"authorization": ""})) == {"validationResponse": code}
    refused(hooks.post(VALIDATION, headers={"authorization": "Bearer x"}), 401)
    origin = {"WebHook-Request-Origin": "eventgrid.azure.net"}
    answer = hooks.api.http.options(f"http://skylift{with_token}", headers=origin)
    assert answer.status_code == 200
    assert answer.headers["WebHook-Allowed-Origin"] == "eventgrid.azure.net"
    assert hooks.api.http.options(f"http://skylift{made['path']}", headers=origin).status_code == 401
    hooks.create("github", name="pushes")
    assert "signature is right" in ok(hooks.post({"zen": "x"}, headers={"x-github-event": "ping"}))["detail"]
    refused(hooks.post({}, headers={"x-github-event": "ping"}, secret="x" * 20), 401)
    assert (hooks.runs(), hooks.lines()) == ([], [])


def test_paused_ones_and_those_whose_deployment_is_gone(hooks: Hooks) -> None:
    hooks.create()
    http = hooks.api.http
    ok(http.patch("skylift/webhooks/hook", json={"active": False}))
    refused(hooks.post({}), 409, "paused")
    ok(http.patch("skylift/webhooks/hook", json={"active": True}))
    ok(http.delete(f"deployments/{hooks.deployment}"), 204)
    refused(hooks.post({}), 409, "gone")
    assert hooks.runs() == []


def test_a_new_secret_and_the_old_one_for_a_while(hooks: Hooks) -> None:
    hooks.create()
    http, clock = hooks.api.http, hooks.api.place.clock
    new = ok(http.post("skylift/webhooks/hook/rotate", json={"overlap": 3600}))["secret"]
    for number, secret in enumerate((SECRET, new)):
        ok(hooks.post({"n": number}, secret=secret), 202)
    clock.at += timedelta(seconds=3600)
    refused(hooks.post({"n": 3}), 401)
    ok(hooks.post({"n": 4}, secret=new), 202)
    newest = ok(http.post("skylift/webhooks/hook/rotate", json={"overlap": 0, "secret": "chosen by the sender"}))
    assert newest["secret"] == "chosen by the sender"
    refused(hooks.post({"n": 5}, secret=new), 401)
    ok(hooks.post({"n": 6}, secret="chosen by the sender"), 202)
    assert new not in hooks.api.place.rows(webhooks)[0].secrets, "it is sealed"


def test_deliveries_go_by_their_age(hooks: Hooks) -> None:
    hooks.create()
    place = hooks.api.place
    ok(hooks.post({"n": 1}), 202)
    place.clock.at += timedelta(days=29)
    ok(hooks.post({"n": 2}), 202)
    place.clock.at += timedelta(days=2)
    assert retention(place.parts, dry_run=True).deliveries == 1
    assert retention(place.parts).deliveries == 1
    assert len(hooks.lines()) == 1
    assert len(hooks.runs()) == 2, "runs have ages of their own"


def test_the_same_delivery_at_once_under_snapshot_isolation(postgres_url: str) -> None:
    """As distributed databases have it: what lost a race is taken again."""
    for hooks in hooks_of(postgres_url):
        hook = hooks.create()
        strict = Installation(postgres_url, isolation_level="REPEATABLE READ")
        assert len(_at_once(strict, hook, 16)) == 1
        assert len(strict.rows(due)) == 1
        strict.close()
