"""Attacks: by job variables on what a template has fixed, by templates on the service that checks them."""

from __future__ import annotations

import time
from typing import Any
from uuid import UUID

import pytest

from skylift.templates import (
    Fetched,
    Layer,
    TemplateError,
    check_job_variables,
    check_template,
    effective_variables,
    references,
    render,
)

OTHER = UUID("01890a5d-ac96-774b-bcce-b302099a8058")
TEMPLATE: dict[str, Any] = {
    "variables": {
        "type": "object",
        "properties": {
            "image": {"type": "string", "pattern": "^registry[.]example[.]com/[a-z]+:[0-9]+$"},
            "cpu": {"type": "integer", "maximum": 1024, "default": 512},
            "env": {"type": "object", "additionalProperties": {"type": "string"}},
            "labels": {"type": "object", "additionalProperties": {"type": "string"}},
            "note": {"type": "string"},
            "anything": {},
        },
    },
    "job_configuration": {
        "image": "{{ image }}",
        "cpu": "{{ cpu }}",
        "env": {"PROXY": "http://proxy.example.com", "TEAM": "{{ labels.team }}"},
        "role": "arn:aws:iam::1:role/limited",
        "network": {"subnets": ["subnet-private"], "public": False},
        "labels": "{{ labels }}",
        "note": "note: {{ note }}",
        "anything": "{{ anything }}",
    },
}
LOOKUP = Fetched(
    blocks={
        ("json", "env"): {"value": {"PROXY": "evil", "A=B": "evil"}},
        ("secret", "tok"): {"value": "hunter2"},
        ("json", "nested"): {"value": "{{ prefect.blocks.secret.tok }}"},
    },
    documents={OTHER: {"value": {"PROXY": "evil"}}},
    variables={"big": 4096, "nested": "{{ prefect.blocks.secret.tok }}", "image": "evil.example.com/x:1"},
    environment={"PATH": "/bin", "SECRET_KEY": "hunter2"},
    allowed_environment={"PATH"},
)
CONTEXT = {"flow_run": {"name": "{{ prefect.blocks.secret.tok }}", "id": "1"}}


def run(values: dict[str, Any], template: dict[str, Any] = TEMPLATE, lookup: Fetched = LOOKUP) -> dict[str, Any]:
    layers = [Layer("flow run 'mallory'", values)]
    check_job_variables(template, layers, complete=True)
    return render(template, layers, context=CONTEXT, lookup=lookup).configuration


def refused(values: dict[str, Any], template: dict[str, Any] = TEMPLATE) -> str:
    with pytest.raises(TemplateError) as caught:
        run(values, template)
    assert "hunter2" not in str(caught.value)
    assert len(str(caught.value)) < 600
    return str(caught.value)


@pytest.mark.parametrize(
    "values",
    [
        {"role": "arn:aws:iam::1:role/admin"},
        {"network": {"public": True}},
        {"network.public": True},
        {"network.subnets": ["subnet-public"]},
        {"job_configuration": {"role": "admin"}},
        {"job_configuration.role": "admin"},
        {"env.PROXY": "evil"},
        {"env": {"PROXY": "evil"}},
        {"env": {"PROXY": "evil"}, "env.PROXY": "evil"},
        {"env": {"TEAM": "evil"}},
        {"env.TEAM": "evil"},
        {"env": {"PROXY": "{{ prefect.variables.image }}"}},
        {"env": "{{ prefect.variables.missing }}"},
        {"env": None},
        {"env": {"PROXY": None}},
        {"variables": {"properties": {"role": {}}}},
        {"__class__": "x", "__proto__": {"role": "admin"}, "constructor": "x"},
        {"$ref": {"block_document_id": str(OTHER)}},
        {"$schema": "https://example.com", "$defs": {"a": {}}, "definitions": {}},
        {"{{ role }}": "admin"},
        {" role": "admin", "role ": "admin", "rolé": "admin", "\uff52ole": "admin", "ROLE": "admin"},
    ],
)
def test_what_is_fixed_stays(values: dict[str, Any]) -> None:
    result = run(values)
    assert result["role"] == "arn:aws:iam::1:role/limited"
    assert result["network"] == {"subnets": ["subnet-private"], "public": False}
    assert {name: value for name, value in result["env"].items() if name in ("PROXY", "TEAM")} == {
        "PROXY": "http://proxy.example.com"
    }
    assert set(result) == {"cpu", "env", "role", "network", "note"}


@pytest.mark.parametrize(
    "values",
    [
        {"env": {"PROXY=evil": "x"}},
        {"env.PROXY=evil": "x"},
        {"env": {"PROXY ": "x"}},
        {"env": {"\nPROXY": "x"}},
        {"env": {"": "x"}},
        {"env": {"A\0": "x"}},
        {"env": "{{ prefect.blocks.json.env }}"},
        {"env": ["PROXY=evil"]},
        {"env": "PROXY=evil"},
        {"env": {"$ref": {"block_document_id": str(OTHER)}}},
        {"env": {"A": {"B": "x"}}},
    ],
)
def test_the_environment_cannot_be_smuggled(values: dict[str, Any]) -> None:
    assert "'env" in refused(values)


@pytest.mark.parametrize(
    "values",
    [
        {"image": "evil.example.com/x:1"},
        {"image": "registry.example.com/x:1\n--privileged"},
        {"image": "registry.example.com/x:1\n"},
        {"image": "registry.example.com/x:\u0661"},
        {"image": "{{ prefect.variables.image }}"},
        {"image": "registry.example.com/{{ prefect.variables.image }}"},
        {"image": "{{ $PATH }}"},
        {"image": ["registry.example.com/x:1"]},
        {"image": {"$ref": {"block_document_id": str(OTHER)}}},
        {"image": "registry.example.com/x:1{{ ctx.flow_run.name }}"},
        {"cpu": 4096},
        {"cpu": 4096.0},
        {"cpu": "512"},
        {"cpu": True},
        {"cpu": [512]},
        {"cpu": 10**400},
        {"cpu": float("nan")},
        {"cpu": float("inf")},
        {"cpu": "{{ prefect.variables.big }}"},
        {"cpu": "{{ prefect.variables.big }}{{ prefect.variables.missing }}"},
        {"cpu": "{{ prefect.blocks.json.env }}"},
        {"cpu.x": 1},
        {"labels": {"a": {"b": "c"}}},
        {"labels": {"team": ["x"]}},
        {"note": 1},
        {"note": "{{ prefect.variables.big }}"},
    ],
)
def test_rules_hold_also_for_what_references_bring(values: dict[str, Any]) -> None:
    assert next(iter(values)).split(".")[0] in refused(values)


@pytest.mark.parametrize(
    ("note", "result"),
    [
        ("{{ image }}", "{{ image }}"),
        ("{{ cpu }} {{ anything }}", "{{ cpu }} {{ anything }}"),
        ("{{ prefect.blocks.json.nested }}", "{{ prefect.blocks.secret.tok }}"),
        ("{{ prefect.variables.nested }}", "{{ prefect.blocks.secret.tok }}"),
        ("{{ ctx.flow_run.name }}", "{{ prefect.blocks.secret.tok }}"),
        ("{{ {{ ctx.flow_run.id }} }}", "{{ 1 }}"),
        ("{{ prefect.blocks.secret.{{ ctx.flow_run.id }} }}", "{{ prefect.blocks.secret.1 }}"),
        ("{{ ctx.flow_run.__class__.__mro__ }}", ""),
        ("{{ ctx.__class__ }}", ""),
        ("{{ ctx.flow_run.name.__len__ }}", ""),
        ("{{ ctx.flow_run.name[0] }}", ""),
        ("{{ prefect.variables.__class__ }}", ""),
        ("{0.__class__} %(x)s ${PATH} $PATH {PATH!r}", "{0.__class__} %(x)s ${PATH} $PATH {PATH!r}"),
        ("{{ 7*7 }}{% print(1) %}{{ ''.__class__ }}", "{{ 7*7 }}{% print(1) %}{{ ''.__class__ }}"),
        ("{{ \uff43tx.flow_run.id }}", "{{ \uff43tx.flow_run.id }}"),
        ("{\u200b{ $SECRET_KEY }}", "{\u200b{ $SECRET_KEY }}"),
        ("{{ $SECRET\u200b_KEY }}", "{{ $SECRET\u200b_KEY }}"),
        ("\\g<0> \\1 \x1b[0m", "\\g<0> \\1 \x1b[0m"),
    ],
)
def test_text_stays_text_and_nothing_is_rendered_twice(note: str, result: str) -> None:
    assert run({"note": note})["note"] == f"note: {result}"


@pytest.mark.parametrize("note", ["{{ $SECRET_KEY }}", "a{{$SECRET_KEY}}", "{{\u00a0$SECRET_KEY\u2003}}"])
def test_the_service_s_environment_is_closed(note: str) -> None:
    assert "not allowed" in refused({"note": note})
    assert references(TEMPLATE, [Layer("x", {"note": note})]).environment == {"SECRET_KEY"}


def test_a_strict_template_lets_nothing_else_in() -> None:
    strict = {**TEMPLATE, "variables": {**TEMPLATE["variables"], "additionalProperties": False}}
    for name in ("role", "role.x", "$ref", "__class__", "image ", "\uff49mage", "\u202eegami", "", "x" * 1_500):
        assert "not declared" in refused({name: "x"}, strict)
    assert "role" not in effective_variables(strict, [Layer("x", {"role": "admin"})])


def test_schemas_in_values_are_data() -> None:
    value = {"$ref": "#/definitions/x", "$schema": "http://127.0.0.1:1/", "allOf": [{"$ref": "file:///etc/passwd"}]}
    assert run({"anything": value})["anything"] == value


def deep(levels: int) -> Any:
    value: Any = "x"
    for _ in range(levels):
        value = [value]
    return value


def anchored() -> list[Any]:
    value: list[Any] = ["x"]
    for _ in range(60):
        value = [value, value]
    return value


def endless() -> dict[str, Any]:
    value: dict[str, Any] = {}
    value["self"] = value
    return value


@pytest.mark.parametrize(
    "value",
    [
        deep(40),
        deep(100_000),
        endless(),
        "x" * 600_000,
        ["x"] * 200_000,
        anchored()[0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0],
        {str(n): {} for n in range(100_000)},
        {"k" * 3_000: 1},
        "\ud800",
        object(),
        {1: 2},
        (1, 2),
    ],
    ids=lambda value: type(value).__name__,
)
def test_monsters_are_refused_quickly(value: Any) -> None:
    start = time.monotonic()
    refused({"anything": value})
    template = {"job_configuration": {"x": "{{ a }}"}, "variables": {"properties": {"a": {"default": value}}}}
    with pytest.raises(TemplateError):
        check_template(template)
    assert time.monotonic() - start < 5


def test_dots_do_not_nest_without_end() -> None:
    refused({"a" + ".a" * 900: 1})
    refused({"anything" + ".a" * 900: 1})


def test_small_inputs_cannot_become_a_huge_output() -> None:
    template = {
        "job_configuration": {"x": "{{ a }}" * 1_000, "y": ["{{ a }}"] * 1_000},
        "variables": {"properties": {"a": {}}},
    }
    assert "KiB" in refused({"a": "x" * 100_000}, template)
    assert "KiB" in refused({"a": ["{{ prefect.variables.nested }}" + "x" * 100_000]}, template)


@pytest.mark.parametrize(
    "text",
    ["{{" * 100_000, "{{ " * 100_000, "{{" + " " * 200_000, "{{ a" + "a" * 200_000, "{{ a" * 50_000, "{" * 200_000,
     "{{ " + "a." * 100_000 + " }}", "{{ a" + "[1]" * 50_000 + " }}", "{{ $A }" * 30_000],
    ids=range(9),
)  # fmt: skip
def test_scanning_for_placeholders_is_linear(text: str) -> None:
    start = time.monotonic()
    try:
        run({"note": text})
    except TemplateError as error:
        assert "note" in str(error)  # noqa: PT017 - both answers are fine, as long as they come soon
    with pytest.raises(TemplateError):
        check_template({"job_configuration": {"x": text + "{{ ! }}"}, "variables": {}})
    assert time.monotonic() - start < 3


def of_schema(schema: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"job_configuration": {"x": "{{ a }}"}, "variables": {"properties": {"a": schema}, **more}}


@pytest.mark.parametrize(
    "template",
    [
        of_schema({"$ref": "http://127.0.0.1:1/x.json"}),
        of_schema({"$ref": "file:///etc/passwd"}),
        of_schema(
            {"$ref": "#/properties/a/default", "default": {"$schema": "http://json-schema.org/draft-03/schema#"}}
        ),
        of_schema({"$dynamicRef": "#x"}),
        of_schema({"$schema": "http://json-schema.org/draft-03/schema#"}),
        of_schema({"pattern": "^(a+)+$"}),
        of_schema({"patternProperties": {"(?:x*)*y": {}}}),
        of_schema({"pattern": "(" * 900 + ")" * 900}),
    ],
)
def test_schemas_that_reach_out_or_explode_are_refused(template: dict[str, Any]) -> None:
    with pytest.raises(TemplateError, match="variables"):
        check_template(template)


@pytest.mark.parametrize(
    ("template", "value"),
    [
        (of_schema({"$ref": "#/definitions/A"}, definitions={"A": {"$ref": "#/definitions/A"}}), 1),
        (
            of_schema(
                {"$ref": "#/definitions/A0"},
                definitions={f"A{n}": {"allOf": [{"$ref": f"#/definitions/A{n + 1}"}] * 2} for n in range(40)}
                | {"A40": {"type": "integer"}},
            ),
            1,
        ),
        (of_schema({"anyOf": [{"const": n} for n in range(5_000)], "type": "string"}), "x"),
        (of_schema({"items": {"anyOf": [{"const": n} for n in range(2_000)]}}), ["x"] * 20_000),
        (of_schema({"uniqueItems": True, "type": "array"}), [[n, {}] for n in range(20_000)] + [[2, {}]]),
        (of_schema({"pattern": "^x*x*x*$"}), "x" * 999 + "!"),
        (of_schema({"pattern": "^x+$"}), "x" * 100_000),
        (of_schema({"format": "email"}), "@" * 100_000),
        (of_schema({"format": "hostname"}), "a." * 1_000 + "!"),
        (of_schema({"format": "uri"}), "http://" + "[" * 2_000),
    ],
    ids=range(10),
)  # fmt: skip
def test_costly_schemas_end_in_an_error(template: dict[str, Any], value: Any) -> None:
    check_template(template)
    start = time.monotonic()
    refused({"a": value}, template)
    assert time.monotonic() - start < 20


def test_what_a_render_returns_is_nobody_elses() -> None:
    values = {"anything": {"list": [1]}}
    first = run(values)
    first["anything"]["list"].append(2)
    first["network"]["subnets"].append("subnet-public")
    assert run(values)["anything"] == {"list": [1]}
    assert run(values)["network"]["subnets"] == ["subnet-private"]
