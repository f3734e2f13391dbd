"""Filters and sorts: whatever their texts hold is a value to the database, and never a part of a statement."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from fastapi.routing import APIRoute
from sqlalchemy import Dialect, Engine, event
from sqlalchemy.dialects import postgresql, sqlite

from skylift.api.app import ROUTERS
from skylift.errors import InvalidError
from skylift.store.filter_table import RESOURCES
from skylift.store.filters import select_filtered
from tests.api.making import Api

MARK = "hunter2"
HOSTILE = [
    f"'; DROP TABLE flow_runs; -- {MARK}",
    f'" OR ""="{MARK}',
    f"\\'; SELECT pg_sleep(60); -- {MARK}",
    f"%{MARK}_!\\",
    f":{MARK} %({MARK})s ? $1",
    f"{MARK}\u2019\uff07 \u02bc--",
    f"') UNION SELECT key_hash FROM api_keys -- {MARK}",
]
DIALECTS: tuple[Dialect, ...] = (sqlite.dialect(), postgresql.dialect())  # type: ignore[no-untyped-call]


def _nested(path: str, value: Any) -> Any:
    for part in reversed(path.split(".")):
        value = {part: value}
    return value


@pytest.mark.parametrize("resource", RESOURCES)
def test_every_operator_of_every_field(resource: str) -> None:
    """Refused as no value of its kind, or handed over beside the statement."""
    taken = 0
    for field, operators in RESOURCES[resource].fields.items():
        for operator in operators:
            for value in (HOSTILE, *HOSTILE):
                try:
                    statement = select_filtered(resource, {resource: _nested(field, {operator: value})})
                except InvalidError:
                    continue
                taken += 1
                assert not [each for each in DIALECTS if MARK in str(statement.compile(dialect=each))]
    assert taken


@pytest.mark.parametrize("resource", RESOURCES)
def test_sorts_and_names_are_taken_from_a_list(resource: str) -> None:
    for text in HOSTILE:
        for filters, sort in (
            ({}, text),
            ({}, f"NAME_{text}"),
            ({text: {"id": {"any_": []}}}, None),
            ({resource: {text: {"any_": []}}}, None),
            ({resource: {"id": {text: []}}}, None),
            ({resource: {"operator": text}}, None),
        ):
            with pytest.raises(InvalidError):
                select_filtered(resource, filters, sort)


@contextmanager
def _statements(engine: Engine) -> Iterator[list[str]]:
    seen: list[str] = []

    def note(_conn: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        seen.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(engine, "before_cursor_execute", note)


@pytest.mark.long
def test_no_route_writes_a_text_of_a_request_into_a_statement(api: Api) -> None:
    """Every route, with hostile texts in its path, its query and wherever its body may have texts."""
    asked = 0
    with _statements(api.place.store.engine) as seen:
        for router in ROUTERS:
            for route in router.routes:
                assert isinstance(route, APIRoute)
                asked += _ask(api, route)
    assert asked > 250
    assert len(seen) > 100
    assert not [each for each in seen if MARK in each]


def _ask(api: Api, route: APIRoute) -> int:
    text = HOSTILE[0].replace("/", "")
    path = route.path
    for name in route.param_convertors:
        path = path.replace("{" + name + "}", text).replace("{" + name + ":path}", text)
    query = dict.fromkeys(("version", "flow_run_id", "task_run_id", "after", "limit", "page-token"), text)
    bodies = [
        {"name": text, "key": text, "slug": text, "prefix": text, "names": [text], "tags": [text], "limit": 1},
        {"sort": text},
        {name: _any_of(name, text) for name in RESOURCES if f"/{name}/" in path} | {"filter": _any_of("filter", text)},
    ]
    count = 0
    for method in route.methods or ():
        for body in bodies if method in ("POST", "PATCH", "PUT") else [None]:
            answer = api.http.request(method, path, params=query, json=body)
            assert answer.status_code < 500 or answer.status_code == 501, (method, path, body, answer.text)
            count += 1
    return count


def _any_of(resource: str, text: str) -> Any:
    """A filter that this resource takes, with texts in it."""
    if resource not in RESOURCES:
        return {"resource": {"id_prefix": [text]}, "name": {"any_": [text]}, "any_resource": {"labels": {text: text}}}
    fields = RESOURCES[resource].fields
    name = next((each for each in ("name", "key", "tags") if each in fields), "id")
    return {name: {"any_": [text]}}
