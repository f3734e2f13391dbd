"""Regular expressions that a template brings along: whether they compile, and whether they are safe to run.

Python's matcher goes back and tries again, so a repeat around a repeat, like `(a+)+$`, takes time that doubles with
each character, and nothing can interrupt it. The plain cases of that are refused when the template is written; others
(`(a|aa)+$`) need a reader's eye.
"""

from __future__ import annotations

import re
from functools import lru_cache
from importlib import import_module
from typing import Any

_parser = import_module("re._parser")  # no public way to see the parts of an expression

MAX_PATTERN = 1_000
MAX_MATCHED = 1_000
"""Characters of a value that a pattern is tried on; what is left of bad patterns is polynomial in this."""
MANY = 16
TOKEN = re.compile(r"\\.|\[\^?+\]?+(?:\\.|[^\]\\])*+\]|\$", re.DOTALL)


def pattern_problem(pattern: str) -> str | None:
    """Why this pattern is refused, as the second half of a sentence; None where it is good."""
    if len(pattern) > MAX_PATTERN:
        return f"is longer than the {MAX_PATTERN} characters that are allowed"
    try:
        compiled_pattern(pattern)
        explodes = _explodes(_parser.parse(pattern))
    except (re.error, RecursionError, OverflowError, ValueError, Warning) as error:
        return f"is no regular expression: {error}"
    if explodes:
        return "repeats something that itself repeats, as in '(a+)+', which can take forever: repeat once only"
    return None


@lru_cache(maxsize=1_000)
def compiled_pattern(pattern: str) -> re.Pattern[str]:
    """The pattern as JSON Schema (ECMA-262) means it where Python differs: `$` is the very end, never before a last
    newline, and `\\d`, `\\w`, `\\s` are ASCII."""
    return re.compile(TOKEN.sub(lambda token: r"\Z" if token[0] == "$" else token[0], pattern), re.ASCII)


def _explodes(sequence: Any) -> bool:
    for operator, operand in sequence:
        if _is_long_repeat(operator, operand) and _splits_in_many_ways(operand[2]):
            return True
        if any(_explodes(inner) for inner in _inner(operator, operand)):
            return True
    return False


def _splits_in_many_ways(body: Any) -> bool:
    """Whether a text that matches this body can also be several matches of it: one long repeat, the rest optional."""
    items = list(body)
    for at, (operator, operand) in enumerate(items):
        others = items[:at] + items[at + 1 :]
        if all(_may_be_empty(other) for other in others) and (
            _is_long_repeat(operator, operand)
            or any(_splits_in_many_ways(inner) for inner in _inner(operator, operand))
        ):
            return True
    return False


def _is_long_repeat(operator: Any, operand: Any) -> bool:
    return str(operator) in ("MAX_REPEAT", "MIN_REPEAT") and int(operand[1]) >= MANY


def _may_be_empty(item: tuple[Any, Any]) -> bool:
    operator, operand = item
    match str(operator):
        case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
            return int(operand[0]) == 0 or all(map(_may_be_empty, operand[2]))
        case "AT" | "ASSERT" | "ASSERT_NOT":
            return True
        case "BRANCH":
            return any(all(map(_may_be_empty, branch)) for branch in operand[1])
        case "SUBPATTERN" | "ATOMIC_GROUP":
            return all(all(map(_may_be_empty, inner)) for inner in _inner(operator, operand))
        case _:
            return False


def _inner(operator: Any, operand: Any) -> list[Any]:
    match str(operator):
        case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
            return [operand[2]]
        case "SUBPATTERN":
            return [operand[3]]
        case "BRANCH":
            return list(operand[1])
        case "ATOMIC_GROUP":
            return [operand]
        case "ASSERT" | "ASSERT_NOT":
            return [operand[1]]
        case _:
            return []
