"""Whatever a template and its job variables are, these hold."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import partial
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from skylift.templates import Fetched, Layer, TemplateError, check_job_variables, check_template, render
from skylift.templates.placeholders import PLACEHOLDER

NAMES = ("a", "b", "c", "env", "password")
MARK = "S3cr3t-"
texts = st.text(alphabet="xyz {}$.é", max_size=8)
scalars = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
json_values = st.recursive(
    scalars | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
references = st.sampled_from(
    [
        "{{ ctx.flow_run.name }}",
        "{{ ctx.nothing.here }}",
        "{{ prefect.blocks.secret.tok }}",
        "{{ prefect.blocks.json.data.a }}",
        "{{ prefect.variables.region }}",
        "{{ prefect.variables.missing }}",
        "{{ $HOME }}",
    ]
)
placeholders = st.sampled_from([f"{{{{ {name} }}}}" for name in NAMES]) | references
literals = st.text(alphabet="uvw -/", max_size=5)
template_strings = st.lists(placeholders | literals, min_size=1, max_size=3).map("".join)
configurations = st.recursive(
    scalars | literals | template_strings,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(literals, inner, max_size=3),
    max_leaves=10,
)
INJECTED = "{{ prefect.blocks.secret.tok }} {{ a }} {{ $HOME }} {{ ctx.flow_run.name }}"
LOOKUP = Fetched(
    blocks={("secret", "tok"): {"value": MARK + "token"}, ("json", "data"): {"a": INJECTED}},
    variables={"region": "eu"},
    environment={"HOME": MARK + "home"},
    allowed_environment={"HOME"},
)
CONTEXT = {"flow_run": {"name": "{{ prefect.blocks.secret.tok }}"}}


def template_of(configuration: dict[str, Any], **properties: Any) -> dict[str, Any]:
    declared = {name: {} for name in NAMES} | properties
    return {"job_configuration": configuration, "variables": {"type": "object", "properties": declared}}


def refusal(step: Callable[[], Any]) -> TemplateError | None:
    try:
        step()
    except TemplateError as error:
        return error
    return None


def strings_of(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for child in value.values() for text in strings_of(child)]
    if isinstance(value, list):
        return [text for child in value for text in strings_of(child)]
    return [value] if isinstance(value, str) else []


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(literals, configurations, max_size=4), st.dictionaries(st.sampled_from(NAMES[:3]), scalars))
def test_no_placeholder_is_left_but_in_data(configuration: dict[str, Any], values: dict[str, Any]) -> None:
    template = template_of(configuration)
    check_template(template)
    result = render(template, [Layer("flow run 'f'", values)], context=CONTEXT, lookup=LOOKUP)
    for text in strings_of(result.configuration):
        rest = text.replace(INJECTED, "").replace(CONTEXT["flow_run"]["name"], "")
        assert not PLACEHOLDER.search(rest)
    json.dumps(result.configuration, allow_nan=False)


@settings(max_examples=300, deadline=None)
@given(json_values)
def test_a_value_arrives_as_it_is(value: Any) -> None:
    template = template_of({"x": "{{ a }}", "deep": [{"y": ["{{ a }}"]}]})
    result = render(template, [Layer("flow run 'f'", {"a": value})], context={}, lookup=Fetched()).configuration
    if value is None:
        assert result == {"deep": [{"y": []}]}
    else:
        assert json.dumps(result) == json.dumps({"x": value, "deep": [{"y": [value]}]})


@settings(max_examples=200, deadline=None)
@given(
    st.dictionaries(literals, json_values, max_size=4), st.dictionaries(st.text(max_size=6), json_values, max_size=4)
)
def test_what_is_fixed_survives(fixed: dict[str, Any], values: dict[str, Any]) -> None:
    template = {"job_configuration": {"fixed": fixed, "free": "{{ a }}"}, "variables": {"properties": {"a": {}}}}
    try:
        check_template(template)
        result = render(template, [Layer("flow run 'f'", values)], context={}, lookup=Fetched()).configuration
    except TemplateError:
        return
    assert json.dumps(result["fixed"]) == json.dumps(fixed)
    assert set(result) <= {"fixed", "free"}


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(["type", "enum", "maximum", "pattern", "format", "const", "minItems", "anyOf", "properties"]),
    st.sampled_from(
        [
            {"password": MARK + "a"},
            {"a": "{{ prefect.blocks.secret.tok }}"},
            {"a": "x{{ $HOME }}"},
            {"a": {"b": ["{{ prefect.blocks.secret.tok }}"], "api_key": MARK + "b"}},
            {"a": f"postgres://me:{MARK}c@db/x"},
            {"env": {"A": MARK + "d"}},
            {"env": MARK + "e"},
            {"env.B": [MARK + "f"]},
            {"a": {"auth-token": MARK + "g"}},
            {"password": {"deep": [MARK + "h"]}},
            {"c": {"pin": MARK + "i"}},
        ]
    ),
    st.booleans(),
)
def test_no_secret_in_any_error(keyword: str, values: dict[str, Any], twice: bool) -> None:
    rule = {
        "type": "integer",
        "enum": ["x", "y"],
        "maximum": 3,
        "pattern": "^q$",
        "format": "date",
        "const": 1,
        "minItems": 9,
        "anyOf": [{"type": "integer"}, {"type": "null"}],
        "properties": {"b": {"items": {"type": "integer"}}, "pin": {"type": "null", "writeOnly": True}},
    }[keyword]
    rules: dict[str, Any] = {keyword: rule, "additionalProperties": {"type": "null"}}
    template = template_of({"x": "{{ a }}"}, **dict.fromkeys(NAMES, rules))
    layers = [Layer("deployment 'x/y'", values), *([Layer("flow run 'f'", values)] if twice else [])]
    for step in (
        partial(check_job_variables, template, layers, complete=False),
        partial(check_job_variables, template, layers, complete=True),
        partial(render, template, layers, context={}, lookup=LOOKUP),
    ):
        error = refusal(step)
        if error is not None:
            assert MARK not in str(error)
            assert MARK not in str(error.field)
            assert MARK not in repr(error)
            assert error.__context__ is None or MARK not in str(error.__context__)
            assert re.search(r"\b(a|c|env|password)\b", str(error))


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="{}ab.$[]0 \n_-", max_size=30))
def test_checker_and_renderer_agree_on_what_a_placeholder_is(text: str) -> None:
    template = template_of({"x": text})
    try:
        check_template(template)
    except TemplateError:
        return
    result = render(template, [Layer("f", {"a": 1, "b": 2})], context={}, lookup=Fetched())
    assert "{{" not in str(result.configuration.get("x", ""))
