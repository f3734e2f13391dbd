"""YAML as JSON values, with the line of each, so that errors can say where."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import yaml

Path = tuple[str | int, ...]
DEPTH = 50
VALUES = 100_000
"""How much a file may hold, aliases counted where they are used: a few lines of them can stand for billions."""


class YamlError(Exception):
    """The file cannot be read as what is wanted; `line` counts from 1."""

    def __init__(self, message: str, line: int = 1) -> None:
        super().__init__(message)
        self.line = line


@dataclass(frozen=True, slots=True)
class Document:
    """A value and the lines of all that is in it."""

    value: Any
    lines: Mapping[Path, int] = field(default_factory=dict)

    def line(self, path: Path) -> int:
        """Where this is, or the nearest thing around it."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


def load(text: str) -> Document:
    """Read one YAML document. Raises `YamlError`."""
    loader = yaml.SafeLoader(text)
    try:
        node = loader.get_single_node()
        lines: dict[Path, int] = {}
        return Document(_value(loader, node, (), lines) if node else None, lines)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise YamlError(str(error.problem or error.context), mark.line + 1 if mark else 1) from error
    except yaml.YAMLError as error:
        raise YamlError(f"This is not YAML: {error}") from error
    finally:
        loader.dispose()


def _value(loader: yaml.SafeLoader, node: yaml.Node, path: Path, lines: dict[Path, int]) -> Any:
    line = node.start_mark.line + 1
    lines.setdefault(path, line)
    if len(path) > DEPTH or len(lines) > VALUES:
        raise YamlError("The file is nested too deeply or too large", line)
    if isinstance(node, yaml.MappingNode):
        return _mapping(loader, node, path, lines)
    if isinstance(node, yaml.SequenceNode):
        return [_value(loader, each, (*path, index), lines) for index, each in enumerate(node.value)]
    value = loader.construct_object(node)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, float) and not math.isfinite(value):
        raise YamlError(f"{node.value} has no place in JSON", line)
    if value is not None and not isinstance(value, str | int | float | bool):
        raise YamlError(f"A value with the tag {node.tag} has no place in JSON", line)
    return value


def _mapping(loader: yaml.SafeLoader, node: yaml.MappingNode, path: Path, lines: dict[Path, int]) -> dict[str, Any]:
    own = {each.value for each, _ in node.value if isinstance(each, yaml.ScalarNode)}
    written = len(node.value) - sum(each.tag == "tag:yaml.org,2002:merge" for each, _ in node.value)
    merges = written != len(node.value)
    if merges:
        loader.flatten_mapping(node)
    found: dict[str, Any] = {}
    for key_node, value_node in node.value:
        key = _key(loader, key_node)
        line = key_node.start_mark.line + 1
        if key in found and not (merges and key in own):
            raise YamlError(f"The key '{key}' is there twice", line)
        lines[(*path, key)] = line
        found[key] = _value(loader, value_node, (*path, key), lines)
    return found


def _key(loader: yaml.SafeLoader, node: yaml.Node) -> str:
    line = node.start_mark.line + 1
    key: Hashable = loader.construct_object(node) if isinstance(node, yaml.ScalarNode) else None
    if isinstance(key, str):
        return key
    if isinstance(node, yaml.ScalarNode):
        return str(node.value)  # `on:` or `1:` is meant as it is written
    raise YamlError("A key must be text", line)
