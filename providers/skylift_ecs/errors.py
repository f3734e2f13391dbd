"""What Amazon's errors mean: from whatever a call raised to one of the port's errors."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from skylift.provider import BusyError, ProviderError, Unreachable
from skylift_ecs.error_table import FAILURES, LATER, RULES, SDK_RULES, Rule, UnknownRefusal


def to_error(operation: str, error: Exception) -> ProviderError:
    """One of the port's errors for whatever a call of the SDK raised."""
    if isinstance(error, ProviderError):
        return error
    response = getattr(error, "response", None)
    if isinstance(response, Mapping):
        return from_answer(operation, response)
    kinds = [each.__name__ for each in type(error).__mro__]
    for name, made, message, remedy in SDK_RULES:
        if name in kinds:
            told = message.format(operation=operation, kind=kinds[0], fields=_fields(error))
            return made(told, remedy=remedy)
    raise error


def from_answer(operation: str, response: Mapping[str, Any]) -> ProviderError:
    """For an error that Amazon answered with."""
    told = response.get("Error") or {}
    code, message = str(told.get("Code", "")), str(told.get("Message", ""))
    status = int((response.get("ResponseMetadata") or {}).get("HTTPStatusCode", 400))
    for rule in RULES:
        if re.fullmatch(rule.code, code) and re.search(rule.words, message, re.IGNORECASE):
            return _made(rule, operation, code, message)
    shown = f"{code}: {message}".strip(": ") or f"HTTP {status}"
    if status >= 500:
        return Unreachable(f"Amazon's side failed ({shown})", remedy="It is tried again by itself")
    return UnknownRefusal(f"Amazon refused {operation}: {shown}", remedy="Correct what it names, and run it again")


def from_failure(failure: Mapping[str, Any]) -> ProviderError:
    """For an entry of RunTask's `failures`."""
    reason = str(failure.get("reason", ""))
    told = ": ".join(each for each in (reason, str(failure.get("detail") or "")) if each)
    for words, made, message, remedy in FAILURES:
        if re.search(words, reason, re.IGNORECASE):
            shown = message.format(told=told)
            if issubclass(made, BusyError):
                return made(shown, retry_after=LATER, remedy=remedy)
            return made(shown, remedy=remedy)
    raise AssertionError("the last rule fits all")


def _made(rule: Rule, operation: str, code: str, message: str) -> ProviderError:
    told = message.rstrip(". ") or code
    action = re.search(r"not authorized to perform: ([\w-]+:\w+)", message)
    words = {"operation": operation, "code": code, "told": told}
    shown = rule.message.format(**words)
    remedy = rule.remedy.format(action=action[1] if action else f"for {operation}")
    if issubclass(rule.error, BusyError):
        return rule.error(shown, retry_after=rule.retry_after, remedy=remedy)
    return rule.error(shown, remedy=remedy)


def _fields(error: Exception) -> str:
    """The fields that the SDK's own validation complains of, and not their values."""
    told = str(error)
    unknown = re.findall(r'unknown parameter in \S+: "(\w+)"', told, re.IGNORECASE)
    missing = re.findall(r'missing required parameter in [^:\n]+: "(\w+)"', told, re.IGNORECASE)
    wrong = re.findall(r"(?:type|length|range) for parameter ([\w.\[\]]+)", told)
    return ", ".join(dict.fromkeys([*wrong, *unknown, *missing])) or "a field has the wrong type"
