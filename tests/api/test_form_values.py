"""The values of forms, as web pages send them: held to a schema, and made into the parameters of runs."""

from __future__ import annotations

from typing import Any

import pytest

from skylift.form_values import nested, resolve, variable_names
from tests.api.making import Api, ok, refused

SCHEMA = {
    "type": "object",
    "required": ["n", "who"],
    "properties": {
        "n": {"type": "integer"},
        "who": {"type": "string"},
        "rows": {"type": "array", "items": {"type": "object", "properties": {"size": {"type": "integer"}}}},
    },
}


@pytest.fixture
def store_url(sqlite_url: str) -> str:
    """One database is enough: nothing of this is in it."""
    return sqlite_url


def _verdict(api: Api, values: dict[str, Any], schema: dict[str, Any] | None = None) -> dict[str, Any]:
    found: dict[str, Any] = ok(
        api.http.post("ui/schemas/validate", json={"schema": SCHEMA if schema is None else schema, "values": values})
    )
    assert found["valid"] == (not found["errors"])
    return found


def test_a_form_is_held_to_its_schema_and_each_fault_is_where_it_belongs(api: Api) -> None:
    assert _verdict(api, {"n": 1, "who": "me", "rows": [{"size": 1}]}) == {"errors": [], "valid": True}
    wrong = _verdict(api, {"who": 1, "rows": [{"size": 1}, {"size": "big"}]})
    assert {each["property"]: each["errors"] for each in wrong["errors"]} == {
        "n": ["'n' is a required property"],
        "who": ["1 is not of type 'string'"],
        "rows": [{"index": 1, "errors": [{"property": "size", "errors": ["'big' is not of type 'integer'"]}]}],
    }
    both = _verdict(api, {})
    assert [each["property"] for each in both["errors"]] == ["n", "who"]
    assert _verdict(api, {}, {"type": "object", "minProperties": 1})["errors"] == ["{} should be non-empty"]
    refused(api.http.post("ui/schemas/validate", json={"schema": {"type": 1}, "values": {}}), 422)


def _form(kind: str, **values: Any) -> dict[str, Any]:
    return {"__prefect_kind": kind, **values}


def test_values_of_a_form_stand_for_others(api: Api) -> None:
    ok(api.http.post("variables/", json={"name": "size", "value": 7}), 201)
    size = _form("workspace_variable", variable_name="size")
    values = {"n": size, "who": _form("none", value="me"), "rows": _form("json", value='[{"size": 1}]')}
    assert _verdict(api, values)["valid"]
    lost = _form("workspace_variable", variable_name="lost")
    flawed = _verdict(api, {"n": lost, "who": _form("jinja", template="{{ x }}"), "rows": _form("json", value="[")})
    told = {each["property"]: each["errors"] for each in flawed["errors"]}
    assert told["n"] == ["There is no variable 'lost'"]
    assert told["who"] == ["Templates are not rendered here: give the value itself"]
    assert told["rows"][0].startswith("This is not JSON")
    left_empty = _verdict(api, {"n": 1, "who": "me", "rows": _form("json")})
    assert left_empty["valid"]


def test_a_run_from_a_form_gets_what_its_values_stand_for(api: Api) -> None:
    api.pool()
    deployment = api.deployment(parameters={"n": 0, "who": "me"}, parameter_openapi_schema=SCHEMA)["id"]
    ok(api.http.post("variables/", json={"name": "size", "value": 7}), 201)
    parameters = {"n": _form("workspace_variable", variable_name="size"), "rows": _form("json", value="[]")}
    assert api.run(deployment, parameters=parameters)["parameters"] == {"n": 7, "who": "me", "rows": []}
    answer = api.http.post(f"deployments/{deployment}/create_flow_run", json={"parameters": {"rows": _form("jinja")}})
    refused(answer, 422, "parameters.rows", "Templates")


@pytest.mark.parametrize("text", ["[" * 200 + "]" * 200, "NaN", "1e999", '"\\ud800"', "\ud800", "[" * 100_000])
def test_json_that_cannot_be_kept_is_a_flaw(text: str) -> None:
    found = resolve({"a": _form("json", value=text)}, {})
    assert found.values == {}
    assert list(found.flaws) == [("a",)]


def test_what_forms_hold_is_read_at_any_depth() -> None:
    deep = {"a": [{"b": _form("none", value={"c": _form("workspace_variable", variable_name="v")})}, _form("json")]}
    assert set(variable_names(deep)) == {"v"}
    assert resolve(deep, {"v": [1]}).values == {"a": [{"b": {"c": [1]}}]}
    plain = {"a": [1, None, {"b": "c"}]}
    assert resolve(plain, {}).values == plain
    assert nested([(("a", 0), "x"), (("a", 0), "y"), ((), "z")]) == [
        {"property": "a", "errors": [{"index": 0, "errors": ["x", "y"]}]},
        "z",
    ]
