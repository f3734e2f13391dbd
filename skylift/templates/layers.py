"""Job variables from several places, one over the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from skylift.templates.errors import Path, TemplateError, dotted
from skylift.templates.json_values import measure

POOL_DEFAULT = "the work pool's default"
FIELD = "job_variables"
ENV = "env"


@dataclass(frozen=True, slots=True)
class Layer:
    """The job variables of one place. `origin` is for people: "deployment 'etl/nightly'", "flow run
    'red-fox'"."""

    origin: str
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Merged:
    """Values with the place that each came from."""

    values: dict[str, Any] = field(default_factory=dict)
    origins: dict[Path, str] = field(default_factory=dict)
    """By `(name,)`, and by `("env", name)` inside `env`."""
    taken_back: dict[str, str] = field(default_factory=dict)
    """Names that a layer set to null, with its origin: what lower layers say of them does not count."""

    def origin(self, path: Path) -> str | None:
        """Where the value at `path` comes from."""
        return self.origins.get(path[:2]) or self.origins.get(path[:1]) or self.taken_back.get(str(*path[:1]))


def merge(defaults: Mapping[str, Any], layers: Sequence[Layer]) -> Merged:
    """Later layers win, whole values at a time; only `env` is merged by its keys. A null takes back what was
    set."""
    merged = Merged()
    _lay(merged, defaults, POOL_DEFAULT)
    for layer in layers:
        _lay(merged, expanded(layer), layer.origin)
    return merged


def expanded(layer: Layer) -> dict[str, Any]:
    """The layer's values with dotted keys (`labels.team`) as nested ones; what is there in nested form wins.
    Of `env.NAME`, all after the first dot is the name. Raises TemplateError for dotted keys that contradict
    each other, and for values that are no JSON, too large or too deep."""

    def fail(path: Path, problem: str) -> TemplateError:
        subject = f"Job variable '{dotted(path)}'" if path else "What is given as job variables"
        return TemplateError(f"{subject} (from {layer.origin}) {problem}.", field=dotted((FIELD, *path)))

    if not isinstance(layer.values, Mapping):
        raise fail((), "must be an object")
    measure(layer.values, fail)
    if not any("." in key for key in layer.values):
        return dict(layer.values)
    nested: dict[str, Any] = {}
    for key in sorted(key for key in layer.values if "." in key):
        steps = key.split(".", 1) if key.startswith(f"{ENV}.") else key.split(".")
        target = nested
        for step in steps[:-1]:
            target = target.setdefault(step, {})
            if not isinstance(target, dict):
                raise fail((key,), "contradicts another dotted key of the same beginning")
        if steps[-1] in target:
            raise fail((key,), "contradicts another dotted key of the same beginning")
        target[steps[-1]] = layer.values[key]
    measure(nested, fail)
    return _over(nested, {key: value for key, value in layer.values.items() if "." not in key})


def _over(lower: Mapping[str, Any], upper: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(lower)
    for key, value in upper.items():
        below = result.get(key)
        if isinstance(below, Mapping) and isinstance(value, Mapping):
            value = _over(below, value)
        result[key] = value
    return result


def _lay(merged: Merged, values: Mapping[str, Any], origin: str) -> None:
    for key, value in values.items():
        below = merged.values.get(key)
        if value is None:
            _forget(merged, key)
            merged.taken_back[key] = origin
            continue
        merged.taken_back.pop(key, None)
        if key == ENV and isinstance(value, Mapping) and "$ref" not in value:
            kept = dict(below) if isinstance(below, Mapping) and "$ref" not in below else {}
            if not kept:
                _forget(merged, key)
            value = {**kept, **value}
            for name in values[key]:
                merged.origins[key, name] = origin
            value = {name: inner for name, inner in value.items() if inner is not None}
        else:
            _forget(merged, key)
        merged.values[key] = value
        merged.origins[key,] = origin


def _forget(merged: Merged, key: str) -> None:
    merged.values.pop(key, None)
    for path in [path for path in merged.origins if path[0] == key]:
        del merged.origins[path]
