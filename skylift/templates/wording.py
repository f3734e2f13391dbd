"""The rules of JSON Schema in words. Never a value: only what the schema itself says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jsonschema import ValidationError

from skylift.templates.errors import dotted, shown
from skylift.templates.patterns import MAX_MATCHED

TYPES = {
    "string": "a string",
    "integer": "an integer",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
}
LIMITS = {
    "minimum": "must be at least {}",
    "maximum": "must be at most {}",
    "exclusiveMinimum": "must be more than {}",
    "exclusiveMaximum": "must be less than {}",
    "multipleOf": "must be a multiple of {}",
    "minLength": "must have at least {} characters",
    "maxLength": "must have at most {} characters",
    "pattern": "must match the pattern {}",
    "format": "must be a valid {}",
    "minItems": "must have at least {} items",
    "maxItems": "must have at most {} items",
    "uniqueItems": "must not have the same item twice",
    "minProperties": "must have at least {} keys",
    "maxProperties": "must have at most {} keys",
    "contains": "lacks an item of the kind that must be in it",
    "not": "is of a kind that is not allowed",
    "dependentRequired": "lacks a key that goes with the ones given",
    "unevaluatedProperties": "has a key that is not declared",
    "unevaluatedItems": "has more items than are allowed",
    "anyOf": "fits none of the forms that are allowed",
    "oneOf": "fits none, or more than one, of the forms that are allowed",
}
MAX_CHOICES = 12


def narrowed(error: ValidationError) -> ValidationError:
    """Of `anyOf` and `oneOf`, the error of the only branch of the right type (`integer or null` has one)."""
    while error.validator in ("anyOf", "oneOf") and error.context:
        branches: dict[Any, ValidationError] = {}
        wrong_type = set()
        for inner in error.context:
            branch = inner.relative_schema_path[0] if inner.relative_schema_path else id(inner)
            branches.setdefault(branch, inner)
            if inner.validator == "type" and not inner.relative_path:
                wrong_type.add(branch)
        fitting = [inner for branch, inner in branches.items() if branch not in wrong_type]
        if len(fitting) != 1:
            break
        error = fitting[0]
    return error


def missing_key(error: ValidationError) -> str | None:
    """The key that `required` misses."""
    if error.validator != "required" or not isinstance(error.instance, Mapping):
        return None
    wanted: Any = error.validator_value
    return next((name for name in wanted if name not in error.instance), None)


def unknown_keys(error: ValidationError) -> list[str]:
    """The keys that `additionalProperties: false` refuses."""
    schema = error.schema if isinstance(error.schema, Mapping) else {}
    if error.validator != "additionalProperties" or not isinstance(error.instance, Mapping):
        return []
    return [key for key in error.instance if key not in schema.get("properties", {})]


def rule_of(error: ValidationError, *, tell: bool = True) -> str:
    """The rule that `error` is about, as the second half of a sentence. `tell=False` where the schema's own
    values (of `enum` and the like) are better not repeated."""
    keyword: Any = error.validator
    wanted: Any = error.validator_value
    match keyword:
        case "type":
            return f"must be {_types(wanted)}"
        case "pattern" if len(str(error.instance)) > MAX_MATCHED:
            return f"must have at most {MAX_MATCHED} characters, as its schema has a pattern"
        case "anyOf" | "oneOf" if (types := _types_of_branches(wanted)) is not None:
            return f"must be {_types(types)}"
        case "enum" if tell:
            return f"must be one of {_choices(wanted)}"
        case "const" if tell:
            return f"must be {shown(wanted)}"
        case "enum" | "const":
            return "must be one of the values that its schema lists"
        case "additionalProperties":
            return "has a key that is not declared"
        case str() if keyword in LIMITS:
            return LIMITS[keyword].format(_limit(wanted))
        case None:
            return "is not allowed"
        case _:
            return f"breaks the rule {keyword!r} of its schema"


def _limit(wanted: Any) -> str:
    return dotted((wanted,)) if isinstance(wanted, str) else shown(wanted)


def _types(wanted: Any) -> str:
    names = [wanted] if isinstance(wanted, str) else list(wanted)
    return " or ".join(TYPES.get(name, str(name)) for name in names)


def _types_of_branches(branches: Any) -> list[str] | None:
    types = [branch.get("type") if isinstance(branch, Mapping) else None for branch in branches]
    return [name for name in types if isinstance(name, str)] if all(isinstance(t, str) for t in types) else None


def _choices(values: list[Any]) -> str:
    listed = ", ".join(shown(value) for value in values[:MAX_CHOICES])
    return listed if len(values) <= MAX_CHOICES else f"{listed} and {len(values) - MAX_CHOICES} more"
