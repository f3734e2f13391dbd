"""Filling the placeholders of one parsed tree, once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, assert_never

from skylift.errors import ForbiddenError, NotFoundError
from skylift.templates.errors import Path, dotted, kind_of
from skylift.templates.json_values import MAX_BYTES, Fail, copied, leaves, measure
from skylift.templates.lookup import Lookup
from skylift.templates.placeholders import (
    BlockDocument,
    BlockValue,
    ContextValue,
    EnvironmentValue,
    JobVariable,
    Reference,
    Text,
    VariableValue,
)

MAX_OUTPUT = 4 * MAX_BYTES
SHORTEST_SECRET_NUMBER = 4


class Unset:
    """In the place of a value: there is none."""


UNSET: Final = Unset()


class Filler:
    """Fills trees from the same sources; keeps account of size and of what is secret."""

    def __init__(self, lookup: Lookup, context: Mapping[str, Any], variables: Mapping[str, Any]) -> None:
        self.lookup = lookup
        self.context = context
        self.variables = variables
        self.secrets: set[str] = set()
        self.hidden: set[Path] = set()
        """Where in the output something from a block or from the environment stands."""
        self.room = MAX_OUTPUT

    def fill(self, node: Any, path: Path, fail: Fail) -> Any:
        """The node with all placeholders filled, as a copy; `UNSET` where nothing is left of it."""
        if isinstance(node, Text):
            return self._text(node, path, fail)
        if isinstance(node, BlockDocument):
            return self._inserted(self._value(node, path, fail), fail)
        if isinstance(node, dict):
            filled = ((key, self.fill(child, (*path, key), fail)) for key, child in node.items())
            return {key: child for key, child in filled if child is not UNSET}
        if isinstance(node, list):
            result: list[Any] = []
            for child in node:
                item = self.fill(child, (*path, len(result)), fail)
                if item is not UNSET:
                    result.append(item)
            return result
        return node

    def keep_secret(self, value: Any) -> None:
        """Remember what must not be seen in logs: all strings in `value`, and numbers that are not just small
        ones."""
        for leaf in leaves(value):
            if isinstance(leaf, str) and leaf:
                self.secrets.add(leaf)
            elif (
                isinstance(leaf, int | float)
                and not isinstance(leaf, bool)
                and len(str(leaf)) >= SHORTEST_SECRET_NUMBER
            ):
                self.secrets.add(str(leaf))

    def _text(self, text: Text, path: Path, fail: Fail) -> Any:
        if len(text.parts) == 1 and not isinstance(text.parts[0], str):
            return self._inserted(self._value(text.parts[0], path, fail), fail)
        pieces = []
        for part in text.parts:
            piece = part if isinstance(part, str) else self._as_text(part, path, fail)
            self._take(len(piece), fail)
            pieces.append(piece)
        return "".join(pieces)

    def _as_text(self, reference: Reference, path: Path, fail: Fail) -> str:
        match self._value(reference, path, fail):
            case None:
                return ""
            case str() as value:
                return value
            case bool() | int() | float() as value:
                return str(value)
            case _ as value if isinstance(reference, BlockValue):
                raise fail(
                    path,
                    f"has {reference.text} inside of other text, but that is {kind_of(value)}: "
                    "name one of its fields, or use the placeholder alone",
                )
            case _ as value:
                return json.dumps(value, ensure_ascii=False)

    def charge(self, value: Any, fail: Fail) -> None:
        """Account for `value` becoming part of the output."""
        self._take(len(value) if isinstance(value, str) else measure(value, fail), fail)

    def _inserted(self, value: Any, fail: Fail) -> Any:
        if value is None:
            return UNSET
        self.charge(value, fail)
        return copied(value)

    def _take(self, size: int, fail: Fail) -> None:
        self.room -= size
        if self.room < 0:
            raise fail((), f"becomes larger than the {MAX_OUTPUT // 1024} KiB that are allowed when it is rendered")

    def _value(self, reference: Reference | BlockDocument, path: Path, fail: Fail) -> Any:
        match reference:
            case JobVariable(path=steps):
                return _walk(self.variables, steps)[0]
            case ContextValue(path=steps):
                return _walk(self.context, steps)[0]
            case VariableValue(name=name):
                return self.lookup.variable(name)
            case EnvironmentValue(name=name):
                try:
                    value: Any = self.lookup.env(name)
                except ForbiddenError:
                    problem = "which the operator of this service has not allowed in templates"
                    raise fail(path, f"uses {reference.text}, {problem}") from None
            case BlockValue() | BlockDocument():
                value = self._block(reference, path, fail)
            case _:
                assert_never(reference)
        self.keep_secret(value)
        self.hidden.add(path)
        return value

    def _block(self, reference: BlockValue | BlockDocument, path: Path, fail: Fail) -> Any:
        try:
            if isinstance(reference, BlockDocument):
                return copied(self.lookup.block_document(reference.id))
            data = copied(self.lookup.block(reference.slug, reference.name))
        except NotFoundError:
            remedy = "create it, or correct the reference"
            raise fail(path, f"refers to {_name_of(reference)}, which does not exist: {remedy}") from None
        if not reference.path:
            return data["value"] if set(data) == {"value"} else data
        value, known = _walk(data, reference.path)
        if not known:
            raise fail(path, f"has {reference.text}, but that block has no field {dotted(reference.path)!r}")
        return value


def _name_of(reference: BlockValue | BlockDocument) -> str:
    if isinstance(reference, BlockDocument):
        return f"the block document {reference.id}"
    return f"the block '{reference.slug}/{reference.name}'"


def _walk(value: Any, path: Path) -> tuple[Any, bool]:
    """What stands at `path` (items of mappings and lists only, never attributes), and whether there is such a
    place."""
    for step in path:
        in_mapping = isinstance(value, Mapping) and step in value
        if not in_mapping and not (isinstance(value, list) and isinstance(step, int) and step < len(value)):
            return None, False
        value = value[step]
    return value, True
