"""Holds answers to what the reference's OpenAPI document says of them, and to naming every field that it knows."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry
from referencing.jsonschema import DRAFT202012

RECORD: dict[str, Any] = json.loads(
    (Path(__file__).parents[1] / "clients" / "data" / "response_schemas.json").read_text()
)
ROOT = "urn:reference"
_registry = Registry().with_resource(ROOT, DRAFT202012.create_resource(RECORD))


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\{[^}]*\\}", "[^/]+", re.escape(path)))


# Paths without a parameter first: `/flows/filter` is no id.
_ROUTES = sorted(
    ((*operation.split(" ", 1), _pattern(operation.split(" ", 1)[1])) for operation in RECORD["responses"]),
    key=lambda route: "{" in route[1],
)


LEFT_OUT = {
    r"\.empirical_policy\.\w+": "kept as the client sent it: clients fill in what is missing",
    r"\.state_details\.\w+": "the same; fields of task runs' states are none of a flow run's",
    r"\.storage_configuration\.\w+": "as the first",
    r"\.active_slots": "`…/concurrency_status` and `…/slots` say who holds them",
    r"\.filter": "filters of work queues were dropped from the dialect's clients",
    r"\.concurrency_options\.grace_period_seconds": "a run that waits for its deployment's slot has no time limit",
}
"""Answers may leave these fields out, and why."""
_LEFT_OUT = re.compile("(" + "|".join(LEFT_OUT) + ") is missing$")


def operation_of(method: str, path: str) -> str | None:
    """The recorded operation that a request with this path is for, if there is one."""
    for known, template, pattern in _ROUTES:
        if known == method and pattern.fullmatch(path):
            return f"{known} {template}"
    return None


def problems(operation: str, body: Any) -> list[str]:
    """What is wrong with an answer, in words."""
    schema, validator = _validator(operation)
    wrong = [f"{error.json_path}: {error.message[:300]}" for error in validator.iter_errors(body)]
    missing = [f"{where} is missing" for where in _missing(schema, body, "$")]
    return wrong + [each for each in missing if not _LEFT_OUT.search(each)]


@cache
def _validator(operation: str) -> tuple[dict[str, Any], Draft202012Validator]:
    schema = _absolute(RECORD["responses"][operation])
    return schema, Draft202012Validator(schema, registry=_registry, format_checker=FormatChecker())


def _absolute(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_absolute(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    return {key: ROOT + value if key == "$ref" else _absolute(value) for key, value in schema.items()}


def _missing(schema: dict[str, Any], value: Any, where: str) -> Iterator[str]:
    """Fields that the schema names, required or not: the reference always sends them."""
    if "$ref" in schema:
        schema = RECORD["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    if "anyOf" in schema:
        fitting = [each for each in schema["anyOf"] if _fits(each, value)]
        if len(fitting) == 1:
            yield from _missing(fitting[0], value, where)
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from _missing(schema.get("items", {}), each, f"{where}[{index}]")
    elif isinstance(value, dict):
        for name, inner in schema.get("properties", {}).items():
            if name in value:
                yield from _missing(inner, value[name], f"{where}.{name}")
            else:
                yield f"{where}.{name}"


def _fits(schema: dict[str, Any], value: Any) -> bool:
    return Draft202012Validator(_absolute(schema), registry=_registry).is_valid(value)
