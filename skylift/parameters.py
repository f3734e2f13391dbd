"""The parameters of flow runs, and the schema that a deployment holds them to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from jsonschema import Draft202012Validator, ValidationError
from jsonschema.exceptions import best_match
from referencing import Registry
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012

from skylift.errors import InvalidError
from skylift.form_values import Path, Resolved
from skylift.templates.patterns import pattern_problem
from skylift.templates.validator import TooCostlyError, errors_of, validator_for

SCHEMA = "parameter_openapi_schema"
_META = Draft202012Validator(Draft202012Validator.META_SCHEMA)
_CHANGES_WHERE_REFERENCES_LEAD = ("$id", "$anchor", "$dynamicAnchor", "$dynamicRef", "$recursiveRef")


def check_schema(schema: Mapping[str, Any]) -> None:
    """Refuse a schema that parameters cannot be held to, or that points out of itself. Raises `InvalidError`."""
    try:
        error = best_match(errors_of(_META, schema))
        if error:
            raise _broken(error.absolute_path, f"is no valid JSON Schema: {error.message}")
        for node, path in _objects(schema):
            _check_object(schema, node, path)
    except (TooCostlyError, RecursionError):
        raise InvalidError(f"{SCHEMA} is too deep or too large to be checked", field=SCHEMA) from None


def check_parameters(schema: Mapping[str, Any] | None, parameters: Mapping[str, Any]) -> None:
    """Hold parameters to the deployment's schema. Raises `InvalidError` naming the parameter."""
    if not schema:
        return
    # Formats say how text is meant; the functions that take it are the judges of that.
    validator = validator_for(schema).evolve(format_checker=None)
    try:
        error = best_match(errors_of(validator, parameters))
    except TooCostlyError:
        raise InvalidError(f"The parameters take too long to be held to {SCHEMA}", field="parameters") from None
    if error:
        where = ".".join(["parameters", *map(str, error.absolute_path)])
        raise InvalidError(f"{where}: {error.message}", field=where)


def from_form(form: Resolved) -> dict[str, Any]:
    """The parameters that a form's values stand for. Raises `InvalidError` for one that cannot be told."""
    for path, flaw in form.flaws.items():
        where = ".".join(["parameters", *map(str, path)])
        raise InvalidError(f"{where}: {flaw}", field=where)
    return form.values


def faults_of_form(schema: Mapping[str, Any], form: Resolved) -> list[tuple[Path, str]]:
    """What is wrong with a form's values, by where it is. Raises `InvalidError` for a schema that cannot be used."""
    validator = validator_for(schema).evolve(format_checker=None)
    found: list[tuple[Path, str]] = list(form.flaws.items())
    try:
        for error in errors_of(validator, form.values):
            path = _place(error)
            if not any(path[: len(flawed)] == flawed for flawed in form.flaws):
                found.append((path, error.message))
    except TooCostlyError:
        raise InvalidError("The values take too long to be held to the schema", field="values") from None
    return found


def _place(error: ValidationError) -> Path:
    """Where a form shows it: that something is missing belongs to what is missing."""
    path = tuple(error.absolute_path)
    if error.validator != "required":
        return path
    names: Any = error.validator_value
    return (*path, next(name for name in names if error.message.startswith(repr(name))))


def _check_object(schema: Mapping[str, Any], node: Mapping[str, Any], path: tuple[Any, ...]) -> None:
    for keyword in _CHANGES_WHERE_REFERENCES_LEAD:
        if isinstance(node.get(keyword), str):
            raise _broken((*path, keyword), "is not supported: refer to '#/definitions/<name>' with $ref")
    reference = node.get("$ref")
    if isinstance(reference, str):
        try:
            Registry().with_resource("", DRAFT202012.create_resource(schema)).resolver().lookup(reference)
        except Unresolvable:
            raise _broken((*path, "$ref"), f"is {reference!r}, which is nowhere in this schema") from None
    pattern = node.get("pattern")
    patterns = node.get("patternProperties")
    for each in [pattern, *(patterns if isinstance(patterns, dict) else ())]:
        if isinstance(each, str) and (problem := pattern_problem(each)):
            raise _broken((*path, "pattern"), problem)


def _objects(schema: Any) -> Iterator[tuple[Mapping[str, Any], tuple[Any, ...]]]:
    """Every object in it with the way to it."""
    todo: list[tuple[Any, tuple[Any, ...]]] = [(schema, ())]
    while todo:
        node, path = todo.pop()
        if isinstance(node, dict):
            yield node, path
            todo.extend((child, (*path, key)) for key, child in node.items())
        elif isinstance(node, list):
            todo.extend((child, (*path, at)) for at, child in enumerate(node))


def _broken(path: Any, problem: str) -> InvalidError:
    where = ".".join([SCHEMA, *map(str, path)])
    return InvalidError(f"{where} {problem}", field=where)
