"""JSON texts that can be kept and told again: what no database, or no other reader, takes is found first."""

from __future__ import annotations

import json
import math
import re
from typing import Any

MAX_DEPTH = 100
"""Objects and lists within each other: what is much deeper breaks the next reader's JSON library, if not ours."""

# What can only be judged by reading the JSON: escaped surrogates, NaN and the like, and numbers beyond any float.
_SUSPECT = re.compile(rb"\\u[dD][89a-fA-F]|NaN|Infinity|[eE]\+?\d{3}|\d{300}")
_SURROGATE = re.compile("[\ud800-\udfff]")
_ALL_BUT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


class _FaultError(ValueError):
    """Says what is wrong with a body."""


def fault_of(body: bytes) -> str | None:
    """What is wrong with this as a JSON text, beyond its syntax; None where nothing is."""
    try:
        body.decode()
    except UnicodeDecodeError:
        return "The body is not UTF-8"
    if b"\0" in body:
        return "The body holds NUL bytes"
    if not _SUSPECT.search(body) and _deepest(body.translate(None, _ALL_BUT_BRACKETS)) <= MAX_DEPTH:
        return None
    try:
        _check(json.loads(body, parse_constant=_refuse_constant, parse_float=_read_float))
    except json.JSONDecodeError:
        return None  # the route says where
    except RecursionError:
        return _TOO_DEEP
    except _FaultError as fault:
        return str(fault)
    except ValueError:
        return "The body holds a number with too many digits"
    return None


_TOO_DEEP = f"The body is nested too deeply: at most {MAX_DEPTH} objects and lists within each other"


def _deepest(brackets: bytes) -> int:
    """How deep these go. Brackets in strings count, too: it is only a first look."""
    if len(brackets) <= 2 * MAX_DEPTH:
        return len(brackets) // 2
    depth = deepest = 0
    for each in brackets:
        depth += 1 if each in b"[{" else -1
        deepest = max(deepest, depth)
    return deepest


def _refuse_constant(name: str) -> float:
    raise _FaultError(f"The body holds {name}, which is not JSON")


def _read_float(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise _FaultError("The body holds a number that is too large")
    return value


def _check(body: Any) -> None:
    """Raises `_FaultError` for what is too deep, or no Unicode text."""
    level: list[Any] = [body]
    for _ in range(MAX_DEPTH + 1):
        below: list[Any] = []
        for value in level:
            if isinstance(value, str) and _SURROGATE.search(value):
                raise _FaultError("The body holds half of a surrogate pair, which is no character")
            if isinstance(value, dict):
                below += value.keys()
                below += value.values()
            elif isinstance(value, list):
                below += value
        if not below:
            return
        level = below
    raise _FaultError(_TOO_DEEP)
