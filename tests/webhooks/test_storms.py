"""Deliveries that come in at the same moment: written together, and each answered for itself."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy.exc import DataError

from skylift import new_runs, trigger
from skylift.errors import ConflictError, InvalidError, NotFoundError
from skylift.models.webhooks import Outcome, Receipt, SignatureKind
from skylift.store import Tx
from skylift.wakeups import Dispatch
from skylift.webhooks.deliveries import Delivery
from skylift.webhooks.errors import SignatureError
from skylift.webhooks.signatures import sign
from tests.webhooks.making import SECRET, Hooks

Asked = tuple[UUID, Delivery]


def _signed(hooks: Hooks, body: Any, secret: str = SECRET) -> Asked:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = sign(SignatureKind.HMAC, secret, content, now=hooks.api.place.clock.at)
    return UUID(hooks.made["id"]), Delivery(content, headers)


def _transactions(hooks: Hooks, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The work of each from now on."""
    works: list[Any] = []
    transaction = hooks.api.place.store.transaction

    def noted(work: Any, *args: Any) -> Any:
        works.append(work)
        return transaction(work, *args)

    monkeypatch.setattr(hooks.api.place.store, "transaction", noted)
    return works


def _runs_of(answers: list[Any]) -> list[UUID | None]:
    assert all(isinstance(each, Receipt) for each in answers), answers
    return [each.flow_run_id for each in answers]


def test_each_gets_its_own_answer(hooks: Hooks) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}}
    template = {"parameters": {"n": "{{ body.n }}"}, "when": "{{ body.n != 0 }}"}
    hooks.create(template=template)
    strict = hooks.api.deployment("strict", parameter_openapi_schema=schema, enforce_parameter_schema=True)
    hooks.api.http.patch("skylift/webhooks/hook", json={"deployment_id": strict["id"]})
    asked = [
        _signed(hooks, {"n": 1}),
        _signed(hooks, {"n": "x"}),
        _signed(hooks, {"n": 2}, secret="another secret of this length"),
        _signed(hooks, {"n": 0}),
        _signed(hooks, b"{"),
        _signed(hooks, {"n": 1}),
        _signed(hooks, {"n": 3}),
        (uuid4(), _signed(hooks, {"n": 4})[1]),
        _signed(hooks, {"other": 1}),
    ]
    one, text, forged, skipped, broken, again, three, unknown, unfit = trigger.trigger_all(hooks.api.place.parts, asked)
    assert isinstance(one, Receipt)
    assert again == one
    assert isinstance(three, Receipt)
    assert isinstance(skipped, Receipt)
    assert (skipped.outcome, skipped.flow_run_id) == (Outcome.SKIPPED, None)
    errors = (text, forged, broken, unknown, unfit)
    families = (InvalidError, SignatureError, InvalidError, NotFoundError, InvalidError)
    assert [type(each) for each in errors] == list(families)
    assert {run.id for run in hooks.runs()} == {one.flow_run_id, three.flow_run_id}
    outcomes = sorted(line.outcome for line in hooks.lines())
    assert outcomes == ["refused", "refused", "refused", "run", "run", "skipped"]


def test_one_idempotency_key_makes_one_run(hooks: Hooks) -> None:
    hooks.create(template={"idempotency_key": "{{ body.key }}"})
    place = hooks.api.place
    before = _runs_of(trigger.trigger_all(place.parts, [_signed(hooks, {"key": "a", "n": 0})]))[0]
    asked = [_signed(hooks, {"key": key, "n": number}) for number, key in enumerate("abcbc", start=1)]
    first, b, c, b_again, c_again = _runs_of(trigger.trigger_all(place.parts, asked))
    assert first == before
    assert (b_again, c_again) == (b, c)
    assert len({first, b, c}) == len(hooks.runs()) == 3
    assert {line.flow_run_id for line in hooks.lines()} == {first, b, c}


def test_one_transaction_and_one_wakeup_for_all(hooks: Hooks, monkeypatch: pytest.MonkeyPatch) -> None:
    hooks.create()
    sent: list[Any] = []
    monkeypatch.setattr(hooks.api.place.store.wakeups, "send", lambda wakeup, at: sent.append(wakeup))
    works = _transactions(hooks, monkeypatch)
    asked = [_signed(hooks, {"n": number}) for number in range(40)]
    assert len(set(_runs_of(trigger.trigger_all(hooks.api.place.parts, asked)))) == 40
    assert len(works) == 1
    assert [type(each) for each in sent] == [Dispatch]
    assert len(hooks.runs()) == hooks.due() == 40


def test_what_the_database_refuses_spoils_no_other(hooks: Hooks, monkeypatch: pytest.MonkeyPatch) -> None:
    hooks.create()
    write = new_runs.write

    def picky(tx: Tx, drafts: Any) -> Any:
        written = write(tx, drafts)
        if any(draft.values["parameters"].get("n") == 3 for draft in drafts):
            raise DataError("INSERT", {}, ValueError("refused"))
        return written

    monkeypatch.setattr(new_runs, "write", picky)
    asked = [_signed(hooks, {"n": number}) for number in range(6)]
    answers = trigger.trigger_all(hooks.api.place.parts, asked)
    assert [number for number, each in enumerate(answers) if not isinstance(each, Receipt)] == [3]
    assert isinstance(answers[3], DataError)
    assert len(hooks.runs()) == len(hooks.lines()) == 5


def test_a_deployment_that_goes_meanwhile(hooks: Hooks, monkeypatch: pytest.MonkeyPatch) -> None:
    hooks.create()
    http, mapped = hooks.api.http, trigger.mapped

    def and_then_it_is_deleted(*args: Any) -> Any:
        found = mapped(*args)
        http.delete(f"deployments/{hooks.deployment}")
        return found

    monkeypatch.setattr(trigger, "mapped", and_then_it_is_deleted)
    answers = trigger.trigger_all(hooks.api.place.parts, [_signed(hooks, {"n": number}) for number in range(2)])
    assert [type(each) for each in answers] == [ConflictError, ConflictError]
    assert hooks.runs() == []


def test_the_same_moment_over_http(hooks: Hooks, monkeypatch: pytest.MonkeyPatch) -> None:
    """Forty senders, of which one has a wrong secret: far fewer transactions than deliveries, and the right answers."""
    hooks.create()
    works = _transactions(hooks, monkeypatch)
    asked = [_signed(hooks, {"n": number}) for number in range(39)]
    asked.append(_signed(hooks, {"n": 39}, secret="another secret of this length"))

    async def deliver() -> list[httpx.Response]:
        door = httpx.ASGITransport(hooks.api.http.app)
        async with httpx.AsyncClient(transport=door, base_url="http://skylift") as client:
            posts = (client.post(hooks.made["path"], content=each.body, headers=each.headers) for _, each in asked)
            return list(await asyncio.gather(*posts))

    answers = asyncio.run(deliver())
    assert [each.status_code for each in answers] == [202] * 39 + [401]
    assert len({each.json()["flow_run_id"] for each in answers[:-1]}) == 39
    runs = {str(run.id): run.parameters["n"] for run in hooks.runs()}
    assert [runs[each.json()["flow_run_id"]] for each in answers[:-1]] == list(range(39)), "each its own"
    assert len(works) < 20


def test_what_was_due_then_is_launched(hooks: Hooks) -> None:
    hooks.create()
    trigger.trigger_all(hooks.api.place.parts, [_signed(hooks, {"n": number}) for number in range(5)])
    hooks.api.place.clock.at += timedelta(seconds=1)
    assert len(hooks.api.launch()) == 5


def test_a_sender_that_goes_in_the_midst_of_its_body_makes_nothing(hooks: Hooks) -> None:
    hooks.create("bearer")
    comes: list[dict[str, Any]] = [
        {"type": "http.request", "body": b'{"n": 1}', "more_body": True},
        {"type": "http.disconnect"},
    ]
    sent: list[Any] = []

    async def receive() -> Any:
        return comes.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    headers = {b"authorization": f"Bearer {SECRET}".encode(), b"content-length": b"9", b"host": b"skylift"}
    about = {"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "scheme": "http", "root_path": ""}
    asked = {"method": "POST", "path": hooks.made["path"], "query_string": b"", "headers": list(headers.items())}

    async def deliver() -> None:
        await hooks.api.http.app(about | asked, receive, send)

    asyncio.run(deliver())
    assert (sent, hooks.runs(), hooks.lines()) == ([], [], [])
