"""Which values of a block are secret, and how they are hidden and put back. Pure.

A path is a tuple of keys; `*` stands for every key. Lists take no place in it: a path goes on through their items.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

MASK = "********"
EVERYTHING = ("*",)

MAX_NODES = 20_000
"""How much of a schema is looked at. Of one that is larger, every value is secret."""

Path = tuple[str, ...]


def checksum(fields: Mapping[str, Any]) -> str:
    """What clients call a schema by: SHA-256 of its JSON with sorted keys, in a list as clients wrap it, without the
    `secret_fields` and without definitions of other blocks or that nothing refers to."""
    kept = _without_secret_fields(fields)
    if definitions := kept.pop("definitions", None):
        named = {ref.removeprefix("#/definitions/") for ref in _references(fields)}
        own = {
            name: each
            for name, each in definitions.items()
            if name in named and each and each.get("block_type_slug") is None
        }
        if own:
            kept["definitions"] = own
    elif definitions is not None:
        kept["definitions"] = definitions
    text = json.dumps([[kept], {}], sort_keys=True)
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def _without_secret_fields(value: Any) -> Any:
    if not isinstance(value, Mapping):
        return value
    return {key: _without_secret_fields(each) for key, each in value.items() if key != "secret_fields"}


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for each in value.values():
            yield from _references(each)
    elif isinstance(value, list):
        for each in value:
            yield from _references(each)


def secret_paths(fields: Mapping[str, Any]) -> set[Path]:
    """The paths that a block schema marks: by `secret_fields`, `format: password` or `writeOnly`."""
    listed = fields.get("secret_fields")
    paths = {tuple(each.split(".")) for each in listed if isinstance(each, str)} if isinstance(listed, list) else set()
    try:
        return paths | set(_Walk(fields).secrets(fields, (), frozenset()))
    except _TooLargeError:
        return {EVERYTHING}


class _TooLargeError(Exception):
    pass


class _Walk:
    """Goes through a JSON schema, following its own references, a bounded number of steps."""

    def __init__(self, root: Mapping[str, Any]) -> None:
        self.root = root
        self.nodes = 0

    def secrets(self, schema: Any, path: Path, inside: frozenset[str]) -> Iterator[Path]:
        self.nodes += 1
        if self.nodes > MAX_NODES:
            raise _TooLargeError
        if not isinstance(schema, Mapping):
            return
        if path and (schema.get("format") == "password" or schema.get("writeOnly") is True):
            yield path
            return
        reference = schema.get("$ref")
        if isinstance(reference, str) and reference not in inside:
            yield from self.secrets(self._resolve(reference), path, inside | {reference})
        for keyword in ("anyOf", "oneOf", "allOf", "prefixItems"):
            for each in _list(schema.get(keyword)):
                yield from self.secrets(each, path, inside)
        for keyword, key in (("items", ()), ("additionalProperties", ("*",))):
            yield from self.secrets(schema.get(keyword), (*path, *key), inside)
        properties = schema.get("properties")
        if isinstance(properties, Mapping):
            for name, each in properties.items():
                yield from self.secrets(each, (*path, name), inside)

    def _resolve(self, reference: str) -> Any:
        value: Any = self.root
        for key in reference.removeprefix("#/").split("/"):
            value = value.get(key) if isinstance(value, Mapping) else None
        return value


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def mask(data: Any, paths: set[Path]) -> Any:
    """The data with a mask for every secret value, objects included. What is null stays null."""
    for path in paths:
        data = _change(data, None, path, lambda value, _old: None if value is None else MASK)
    return data


def unmask(data: Any, current: Any, paths: set[Path]) -> Any:
    """Data that was read masked and is posted back: where a mask stands for a secret, the current value."""
    for path in paths:
        data = _change(data, current, path, _put_back)
    return data


def _change(value: Any, old: Any, path: Path, change: Callable[[Any, Any], Any], *, inside: bool = False) -> Any:
    if isinstance(value, list):
        olds = old if isinstance(old, list) else []
        return [
            _change(each, olds[index] if index < len(olds) else None, path, change, inside=inside)
            for index, each in enumerate(value)
        ]
    if not path:
        return change(value, old)
    if not isinstance(value, dict):
        return change(value, old) if path[0] == "*" else value
    before = old if isinstance(old, dict) else {}
    changed = {}
    for key, each in value.items():
        if path[0] in (key, "*"):
            changed[key] = _change(each, before.get(key), path[1:], change, inside=True)
        elif inside and isinstance(each, dict | list):
            # For a mapping of objects, clients list `field.secret` and leave out the key between the two.
            changed[key] = _change(each, before.get(key), path, change, inside=True)
    return value | changed


def _put_back(value: Any, old: Any) -> Any:
    return old if value == MASK and old is not None else value
