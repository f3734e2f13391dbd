"""The JSON Schema validator (Draft 2020-12, and OpenAPI's `nullable`) with its costs bounded.

It never fetches anything, and stops with an error instead of running for minutes: every keyword costs steps,
and the steps of one check are counted. Format checks that are slow on long input are not run on it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker, ValidationError, validators
from referencing import Registry

from skylift.templates.patterns import MAX_MATCHED, compiled_pattern

MAX_STEPS = 200_000
MAX_FORMAT_LENGTH = 2_048
FORMATS = (
    "date",
    "date-time",
    "time",
    "duration",
    "email",
    "hostname",
    "ipv4",
    "ipv6",
    "uri",
    "uuid",
    "json-pointer",
)


class TooCostlyError(Exception):
    """The check was given up: it would take too long, or the schema refers to itself without end."""


class _Steps(threading.local):
    left = MAX_STEPS


_steps = _Steps()
_Keyword = Callable[[Any, Any, Any, Mapping[str, Any]], "Iterator[ValidationError] | None"]


def errors_of(validator: Any, instance: Any) -> Iterator[ValidationError]:
    """What is wrong with `instance`, first things first. Raises TooCostlyError."""
    _steps.left = MAX_STEPS
    try:
        yield from validator.iter_errors(instance)
    except RecursionError:
        raise TooCostlyError from None


def validator_for(schema: Any) -> Any:
    """A validator that can be kept and shared between threads."""
    return _Validator(schema, format_checker=_formats, registry=Registry())


def _counted(keyword: _Keyword) -> _Keyword:
    def check(validator: Any, value: Any, instance: Any, schema: Mapping[str, Any]) -> Iterator[ValidationError]:
        if instance is None and schema.get("nullable") is True:
            return
        _steps.left -= 1 + _length(value) * _length(instance) // 8
        if _steps.left < 0:
            raise TooCostlyError
        yield from keyword(validator, value, instance, schema) or ()

    return check


def _length(value: Any) -> int:
    return len(value) if isinstance(value, dict | list) else 1


def _unique_items(validator: Any, wanted: Any, instance: Any, _schema: Mapping[str, Any]) -> Iterator[ValidationError]:
    if wanted and validator.is_type(instance, "array") and len(set(map(_frozen, instance))) < len(instance):
        yield ValidationError("has items that are equal")


def _pattern(validator: Any, pattern: str, instance: Any, _schema: Mapping[str, Any]) -> Iterator[ValidationError]:
    if isinstance(instance, str) and (len(instance) > MAX_MATCHED or not compiled_pattern(pattern).search(instance)):
        yield ValidationError("does not match")


def _frozen(value: Any) -> Any:
    """Equal for equal JSON, and hashable (Python holds true and 1 to be equal, JSON does not)."""
    match value:
        case dict():
            return "object", frozenset((key, _frozen(child)) for key, child in value.items())
        case list():
            return "array", tuple(map(_frozen, value))
        case _:
            return isinstance(value, bool), value


def _short_only(check: Callable[[object], bool]) -> Callable[[object], bool]:
    def bounded(value: object) -> bool:
        return not isinstance(value, str) or (len(value) <= MAX_FORMAT_LENGTH and check(value))

    return bounded


def _format_checker() -> FormatChecker:
    checker = FormatChecker(formats=())
    known = Draft202012Validator.FORMAT_CHECKER.checkers
    checker.checkers = {name: (_short_only(known[name][0]), known[name][1]) for name in FORMATS if name in known}
    return checker


_formats = _format_checker()
_keywords = {**Draft202012Validator.VALIDATORS, "uniqueItems": _unique_items, "pattern": _pattern}
_Validator = validators.extend(  # type: ignore[no-untyped-call]
    Draft202012Validator,
    {name: _counted(check) for name, check in _keywords.items()},
    format_checker=_formats,
)
