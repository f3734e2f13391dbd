"""Values as forms of the dialect's clients send them: some say of what kind they are, and stand for another value.

`{"__prefect_kind": "json", "value": "[1]"}` is the list, `"workspace_variable"` with a `variable_name` the value of
that variable, `"none"` the `value` itself. A form that was left empty sends the kind alone: then the field is not
there.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from skylift.json_text import fault_of

KIND = "__prefect_kind"
Path = tuple[str | int, ...]
_NOTHING = object()


@dataclass(frozen=True, slots=True)
class Resolved:
    """What a form's values stand for."""

    values: dict[str, Any]
    flaws: dict[Path, str] = field(default_factory=dict)
    """What could not be told, by where it is, in a sentence; the values are without it."""


def variable_names(values: object) -> Iterator[str]:
    """The variables that `resolve` asks for."""
    if isinstance(values, dict):
        name = values.get("variable_name")
        if values.get(KIND) == "workspace_variable" and isinstance(name, str):
            yield name
        for each in values.values():
            yield from variable_names(each)
    elif isinstance(values, list):
        for each in values:
            yield from variable_names(each)


def resolve(values: Mapping[str, Any], variables: Mapping[str, Any]) -> Resolved:
    """What these values stand for, with the values of `variable_names`."""
    flaws: dict[Path, str] = {}
    found = _resolved(values, (), variables, flaws)
    return Resolved(found if isinstance(found, dict) else {}, flaws)


def _resolved(value: Any, path: Path, variables: Mapping[str, Any], flaws: dict[Path, str]) -> Any:
    if isinstance(value, dict) and KIND in value:
        return _told(value, path, variables, flaws)
    if isinstance(value, dict):
        inner = {key: _resolved(each, (*path, key), variables, flaws) for key, each in value.items()}
        return {key: each for key, each in inner.items() if each is not _NOTHING}
    if isinstance(value, list):
        elements = [_resolved(each, (*path, index), variables, flaws) for index, each in enumerate(value)]
        return [each for each in elements if each is not _NOTHING]
    return value


def _told(form: Mapping[str, Any], path: Path, variables: Mapping[str, Any], flaws: dict[Path, str]) -> Any:
    """What a value of some kind stands for."""
    kind, flaw = form[KIND], ""
    match kind:
        case "workspace_variable":
            name = form.get("variable_name")
            if name is None or (isinstance(name, str) and name in variables):
                return _NOTHING if name is None else variables[name]
            flaw = f"There is no variable {name!r}"
        case "json":
            text = form.get("value", _NOTHING)
            if not isinstance(text, str):
                return text
            try:
                if not fault_of(text.encode()):
                    return json.loads(text)
                flaw = "This is JSON that cannot be kept: too deep, or with numbers or characters that are none"
            except ValueError as error:
                flaw = f"This is not JSON: {error}"
        case "jinja":
            flaw = "Templates are not rendered here: give the value itself"
        case _:
            return _resolved(form.get("value"), path, variables, flaws)
    flaws[path] = flaw
    return _NOTHING


def nested(faults: Collection[tuple[Path, str]]) -> list[Any]:
    """Faults by where they are, as forms show them: a sentence, or a property or index with faults of its own."""
    found: list[Any] = []
    for path, sentence in faults:
        here = found
        for step in path:
            name = "index" if isinstance(step, int) else "property"
            entry = next((each for each in here if isinstance(each, dict) and each.get(name) == step), None)
            if entry is None:
                entry = {name: step, "errors": []}
                here.append(entry)
            here = entry["errors"]
        here.append(sentence)
    return found
