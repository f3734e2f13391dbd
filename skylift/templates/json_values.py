"""JSON values: what may be stored, how large it may be, and copies of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from skylift.templates.errors import Path, TemplateError, dotted, kind_of

MAX_BYTES = 512 * 1024
MAX_DEPTH = 32
MAX_KEY = 2_000
MAX_INTEGER_BITS = 256

Fail = Callable[[Path, str], TemplateError]
"""Makes the error for the value at a path out of a sentence's second half."""


def plain_failure(subject: str) -> Fail:
    """Errors about `subject`, a dotted name such as `job_variables`."""

    def fail(path: Path, problem: str) -> TemplateError:
        name = dotted((subject, *path))
        return TemplateError(f"{name} {problem}.", field=name)

    return fail


def measure(value: Any, fail: Fail, *, max_bytes: int = MAX_BYTES, max_depth: int = MAX_DEPTH) -> int:
    """About how many bytes `value` takes as JSON. Raises what `fail` makes where it is no JSON, too large or
    too deep.

    It stops as soon as it is over, so that a small object which holds itself many times (YAML anchors) costs
    nothing.
    """
    total = 0
    todo: list[tuple[Any, Path]] = [(value, ())]
    while todo:
        node, path = todo.pop()
        if len(path) > max_depth:
            raise fail(path, f"is nested deeper than the {max_depth} levels that are allowed")
        total += _own_size(node, path, fail)
        if total > max_bytes:
            raise fail((), f"is larger than the {max_bytes // 1024} KiB that are allowed")
        if isinstance(node, Mapping):
            for key in node:
                if not isinstance(key, str):
                    raise fail((*path, str(key)), "has a name that is not a string")
                if len(key) > MAX_KEY:
                    raise fail(path, f"has a key longer than the {MAX_KEY} characters that are allowed")
                total += _own_size(key, path, fail)
        todo.extend((child, (*path, step)) for step, child in _children(node))
    return total


def copied(value: Any) -> Any:
    """A copy that shares nothing that could be changed."""
    if isinstance(value, Mapping):
        return {key: copied(child) for key, child in value.items()}
    if isinstance(value, list | tuple):
        return [copied(child) for child in value]
    return value


def leaves(value: Any) -> Iterator[Any]:
    """The scalars inside a JSON value."""
    todo = [value]
    while todo:
        node = todo.pop()
        if isinstance(node, Mapping | list):
            todo.extend(child for _, child in _children(node))
        else:
            yield node


def _children(node: Any) -> Iterator[tuple[str | int, Any]]:
    if isinstance(node, Mapping):
        yield from node.items()
    elif isinstance(node, list):
        yield from enumerate(node)


def _own_size(node: Any, path: Path, fail: Fail) -> int:
    match node:
        case str():
            if "\0" in node:
                raise fail(path, "contains a NUL character, which cannot be stored")
            try:
                return len(node) + 3 if node.isascii() else len(node.encode()) + 3
            except UnicodeEncodeError:
                raise fail(path, "contains half a surrogate pair, which cannot be stored") from None
        case None | bool() | Mapping() | list():
            return 5
        case int():
            if node.bit_length() > MAX_INTEGER_BITS:
                raise fail(path, f"is a larger number than the {MAX_INTEGER_BITS} bits that are allowed")
            return 8
        case float():
            if not math.isfinite(node):
                raise fail(path, "is not a finite number")
            return 8
        case _:
            raise fail(path, f"is not JSON (it is {kind_of(node)} of Python type {type(node).__name__})")
