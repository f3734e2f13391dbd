"""Good templates and job variables, broken in a thousand ways: accepted, or refused by naming the culprit."""

from __future__ import annotations

import copy
import json
import random
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from skylift.templates import Fetched, Layer, Rendered, TemplateError, check_job_variables, check_template, render

counts = pytest.mark.parametrize("count", [400, pytest.param(1500, marks=pytest.mark.long)])
TEMPLATE: dict[str, Any] = {
    "variables": {
        "type": "object",
        "required": ["image", "team"],
        "additionalProperties": False,
        "properties": {
            "image": {"type": "string", "pattern": "^[a-z0-9./:-]+$", "maxLength": 80},
            "team": {"enum": ["data", "ml"], "default": "data"},
            "cpu": {"type": "integer", "minimum": 256, "maximum": 4096, "multipleOf": 256, "default": 512},
            "env": {"type": "object", "additionalProperties": {"type": "string"}, "default": {"LEVEL": "info"}},
            "labels": {"type": "object", "additionalProperties": {"type": "string", "maxLength": 20}},
            "subnets": {"type": "array", "items": {"type": "string"}, "minItems": 1, "uniqueItems": True},
            "started": {"type": "string", "format": "date-time"},
            "retries": {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "null"}], "default": None},
            "strategy": {"type": "array", "items": {"$ref": "#/definitions/Provider"}},
        },
        "definitions": {
            "Provider": {
                "type": "object",
                "required": ["provider"],
                "properties": {"provider": {"type": "string"}, "weight": {"type": "integer", "default": 1}},
            }
        },
    },
    "job_configuration": {
        "image": "{{ image }}",
        "cpu": "{{ cpu }}",
        "env": {"TEAM": "{{ team }}", "FIXED": "yes"},
        "labels": "{{ labels }}",
        "network": [{"subnets": "{{ subnets }}", "public": False}],
        "name": "{{ ctx.flow_run.name }}-{{ team }}",
        "more": {"retries": "{{ retries }}", "at": "{{ started }}", "strategy": "{{ strategy }}"},
    },
}
VALUES: dict[str, Any] = {
    "image": "registry.example.com/etl:1",
    "team": "ml",
    "cpu": 1024,
    "env": {"A": "1", "B": "{{ prefect.variables.region }}"},
    "labels": {"owner": "me"},
    "subnets": ["subnet-1", "subnet-2"],
    "started": "2026-01-01T00:00:00Z",
    "retries": 3,
    "strategy": [{"provider": "FARGATE", "weight": 2}],
}
GENERIC = {"variables", "properties", "job_configuration", "definitions", "type", "0", "default"}
JUNK: list[Any] = [
    None, True, False, -1, 0, 3, 10**30, 1.5, float("inf"), "", "text", "x" * 5000, "{{ nope }}", "{{", "{{ a b }}",
    "{{ prefect.blocks.x }}", "{{ $ }}", "(", "\0", "é", [], [1, "a"], {}, {"a": 1}, {"$ref": "x"}, {"type": "nope"},
    {"$ref": {"block_document_id": 3}}, "{{ __class__ }}",
]  # fmt: skip


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, child in children for place in places(child, (*path, key)))]


def at(value: Any, path: tuple[Any, ...]) -> Any:
    for step in path:
        value = value[step]
    return value


def mutated(original: dict[str, Any], dice: random.Random) -> tuple[dict[str, Any], set[str]]:
    """A broken copy, and the names of which one has to be in the answer: those of the place and those put in."""
    broken = copy.deepcopy(original)
    path = dice.choice([place for place in places(original) if place])
    parent, key = at(broken, path[:-1]), path[-1]
    steps = {str(step) for step in path}
    names = steps - GENERIC or steps
    match dice.choice(["replace", "replace", "delete", "rename", "swap", "wrap"]):
        case "replace":
            parent[key] = copy.deepcopy(dice.choice(JUNK))
        case "delete":
            del parent[key]
        case "rename" if isinstance(parent, dict):
            new = dice.choice(["mistyped", "a b", "x.y", "", "__class__", "$schema", "{{ cpu }}", "ctx", "A=B"])
            parent[new] = parent.pop(key)
            names |= {new, *new.split(".")}
        case "swap":
            other = dice.choice([place for place in places(original) if place])
            parent[key] = copy.deepcopy(at(original, other))
        case _:
            parent[key] = [parent[key]]
    return broken, names


def outcome(step: Callable[[], Any]) -> Any:
    """What it returns, or the TemplateError that it raises."""
    try:
        return step()
    except TemplateError as error:
        return error


def written_and_rendered(values: dict[str, Any]) -> Rendered:
    layers = [Layer("deployment 'etl/nightly'", values)]
    check_job_variables(TEMPLATE, layers, complete=False)
    check_job_variables(TEMPLATE, layers, complete=True)
    lookup = Fetched(variables={"region": "eu"})
    return render(TEMPLATE, layers, context={"flow_run": {"name": "fox"}}, lookup=lookup)


@counts
def test_broken_job_variables(count: int) -> None:
    dice = random.Random(20260101)
    seen: Counter[str] = Counter()
    for _ in range(count):
        values, names = mutated(VALUES, dice)
        result = outcome(partial(written_and_rendered, values))
        seen[type(result).__name__] += 1
        if isinstance(result, TemplateError):
            message = str(result)
            assert any(name in (result.field or "") for name in names), (values, result.field)
            assert any(name in message for name in names), (values, message)
            assert "deployment 'etl/nightly'" in message or "required" in message, message
            assert len(message) < 500
        else:
            assert result.configuration["env"]["FIXED"] == "yes"
            assert result.configuration["network"][0]["public"] is False
    assert min(seen["Rendered"], seen["TemplateError"]) > count // 10, seen


@counts
def test_broken_templates(count: int) -> None:
    dice = random.Random(20260102)
    seen: Counter[str] = Counter()
    for _ in range(count):
        template, names = mutated(TEMPLATE, dice)
        error = outcome(partial(check_template, template))
        seen[type(error).__name__] += 1
        if error is not None:
            assert (error.field or "").startswith("base_job_template")
            about = f"{error.field} {error}"
            assert any(name in about for name in names), (json.dumps(template), about)
            assert len(str(error)) < 500
            continue
        result = outcome(partial(render, template, [Layer("f", VALUES)], context={}, lookup=Fetched()))
        assert isinstance(result, Rendered) or result.field
    assert min(seen["NoneType"], seen["TemplateError"]) > count // 10, seen
