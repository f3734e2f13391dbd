"""A base job template, checked for its form and made ready for use. By content, once per process."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from skylift.templates.errors import Path, TemplateError, looks_secret, shown
from skylift.templates.json_values import measure, plain_failure
from skylift.templates.patterns import pattern_problem
from skylift.templates.placeholders import JobVariable, PlaceholderError, Text, parse
from skylift.templates.validator import TooCostlyError, errors_of, validator_for
from skylift.templates.wording import narrowed, rule_of

TEMPLATE = "base_job_template"
NAME = re.compile(r"[A-Za-z0-9_\-]{1,200}")
RESERVED = ("ctx", "prefect")
NOT_SUPPORTED = ("$id", "$schema", "$anchor", "$dynamicAnchor", "$dynamicRef", "$recursiveRef", "$vocabulary")
MAPS = ("properties", "patternProperties", "definitions", "$defs", "dependentSchemas")
LISTS = ("allOf", "anyOf", "oneOf", "prefixItems")
SINGLE = ("additionalProperties", "items", "contains", "propertyNames", "not", "if", "then", "else")
UNEVALUATED = ("unevaluatedItems", "unevaluatedProperties", "contentSchema")


@dataclass(frozen=True, slots=True)
class Compiled:
    """What the other modules need of a template."""

    configuration: Mapping[str, Any]
    """`job_configuration`, its strings parsed."""
    schema: Mapping[str, Any]
    properties: Mapping[str, Any]
    defaults: Mapping[str, Any]
    """Those that are not null."""
    validator: Any
    secret: frozenset[str]
    """The variables that hold a secret: by their name, or by `format: password` or `writeOnly` anywhere
    inside."""


def compiled(template: Mapping[str, Any]) -> Compiled:
    """The template, ready for use. Raises TemplateError naming what is wrong with its form."""
    try:
        text = json.dumps(template, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        text = ""
    if not text:
        measure(template, plain_failure(TEMPLATE))
        raise _broken((), "is not JSON")
    return _compiled(text)


@lru_cache(maxsize=64)
def _compiled(text: str) -> Compiled:
    template = json.loads(text)
    measure(template, plain_failure(TEMPLATE))
    if not isinstance(template, dict):
        raise _broken((), "must be an object")
    for part in ("job_configuration", "variables") if template else ():
        if not isinstance(template.get(part), dict):
            missing = "must have" if part not in template else "must be an object:"
            raise _broken(() if part not in template else (part,), f"{missing} {part!r}")
    schema = {key: value for key, value in template.get("variables", {}).items() if key not in ("$schema", "$id")}
    _check_schema(schema)
    properties = schema.get("properties", {})
    configuration = _parsed(template.get("job_configuration", {}), properties)
    return Compiled(
        configuration=configuration,
        schema=schema,
        properties=properties,
        defaults={
            name: inner["default"]
            for name, inner in properties.items()
            if isinstance(inner, dict) and inner.get("default") is not None
        },
        validator=validator_for(schema),
        secret=frozenset(name for name in properties if looks_secret(name) or _holds_secret(schema, name)),
    )


def _broken(path: Path, problem: str) -> TemplateError:
    return plain_failure(TEMPLATE)(path, problem)


def _parsed(configuration: Mapping[str, Any], properties: Mapping[str, Any]) -> Any:
    try:
        parsed = parse(configuration, template=True)
    except PlaceholderError as error:
        raise _broken(("job_configuration", *error.path), str(error)) from None
    if not isinstance(parsed, dict):
        raise _broken(("job_configuration",), "must be an object of its own, not a reference to a block")
    todo: list[tuple[Any, Path]] = [(parsed, ("job_configuration",))]
    while todo:
        node, path = todo.pop()
        if isinstance(node, Text):
            for part in node.parts:
                if isinstance(part, JobVariable) and part.path[0] not in properties:
                    problem = f"uses {part.text}, but 'variables.properties' declares no {str(part.path[0])!r}"
                    raise _broken(path, problem)
        elif isinstance(node, dict):
            todo.extend((child, (*path, key)) for key, child in node.items())
        elif isinstance(node, list):
            todo.extend((child, (*path, at)) for at, child in enumerate(node))
    return parsed


def _check_schema(schema: dict[str, Any]) -> None:
    if schema.get("type", "object") != "object":
        raise _broken(("variables", "type"), "must be 'object': variables have names")
    try:
        error = best_match(errors_of(_meta, schema))
    except TooCostlyError:
        raise _broken(("variables",), "is too deep or too large to be checked") from None
    if error is not None:
        where: Path = ("variables", *error.absolute_path)
        raise _broken(where, f"is no valid JSON Schema (Draft 2020-12): it {rule_of(narrowed(error))}")
    for name in schema.get("properties", {}):
        if not NAME.fullmatch(name) or name in RESERVED:
            problem = "is no name for a variable: use letters, digits, '_' and '-', and neither 'ctx' nor 'prefect'"
            raise _broken(("variables", "properties", name), problem)
    positions = list(_subschemas(schema))
    known = {id(inner) for inner, _ in positions}
    for inner, path in positions:
        if isinstance(inner, dict):
            _check_subschema(inner, path, schema, known)


def _check_subschema(inner: Mapping[str, Any], path: Path, schema: Any, known: set[int]) -> None:
    for keyword in NOT_SUPPORTED:
        if keyword in inner:
            raise _broken((*path, keyword), "is not supported: refer to '#/definitions/<name>' with $ref")
    if "$ref" in inner and id(_pointed_at(schema, inner["$ref"])) not in known:
        unknown = (
            f"is {shown(inner['$ref'])}, which points to no schema in here: "
            "only '#/definitions/<name>' and the like are followed"
        )
        raise _broken((*path, "$ref"), unknown)
    patterns = [("pattern", inner["pattern"])] if "pattern" in inner else []
    for keyword, pattern in [
        *patterns,
        *(("patternProperties", key) for key in inner.get("patternProperties", ())),
    ]:
        problem = pattern_problem(pattern)
        if problem is not None:
            raise _broken((*path, keyword), problem)


def _subschemas(schema: Any) -> Iterator[tuple[Any, Path]]:
    """Every place in it where a schema stands, with the way to it (not the data in `default`, `enum` and the
    like)."""
    todo: list[tuple[Any, Path]] = [(schema, ("variables",))]
    while todo:
        node, path = todo.pop()
        if isinstance(node, bool):
            yield node, path
        if not isinstance(node, dict):
            continue
        yield node, path
        for key, value in node.items():
            here = (*path, key)
            if key in MAPS and isinstance(value, dict):
                todo.extend((child, (*here, name)) for name, child in value.items())
            elif key in LISTS and isinstance(value, list):
                todo.extend((child, (*here, at)) for at, child in enumerate(value))
            elif key in SINGLE or key in UNEVALUATED:
                todo.append((value, here))


def _pointed_at(schema: Any, pointer: Any) -> Any:
    """What a local JSON pointer (RFC 6901) leads to; None where it leads nowhere."""
    if pointer == "#":
        return schema
    if not isinstance(pointer, str) or not pointer.startswith("#/"):
        return None
    node = schema
    for step in pointer[2:].split("/"):
        key = unquote(step).replace("~1", "/").replace("~0", "~")
        if isinstance(node, dict):
            node = node.get(key)
        elif isinstance(node, list) and key.isdecimal() and len(key) < 7:
            node = node[int(key)] if int(key) < len(node) else None
        else:
            return None
    return node


def _holds_secret(schema: Mapping[str, Any], name: str) -> bool:
    todo: list[Any] = [schema["properties"][name]]
    seen: set[int] = set()
    while todo:
        for inner, _ in _subschemas(todo.pop()):
            if not isinstance(inner, dict) or id(inner) in seen:
                continue
            seen.add(id(inner))
            if inner.get("format") == "password" or inner.get("writeOnly") is True:
                return True
            if any(looks_secret(key) for key in inner.get("properties", ())):
                return True
            if "$ref" in inner:
                todo.append(_pointed_at(schema, inner["$ref"]))
    return False


_meta = Draft202012Validator(Draft202012Validator.META_SCHEMA)
