"""The placeholders: `{{ name }}`, `{{ ctx.… }}`, `{{ prefect.blocks.… }}`, `{{ prefect.variables.… }}`, `{{
$NAME }}`.

A string is split once, in linear time (all quantifiers are possessive), by the same function for checking and
for rendering: nothing can look like text to the one and like a placeholder to the other.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from skylift.templates.errors import Path

PLACEHOLDER = re.compile(r"\{\{\s*+([A-Za-z0-9_.\-\[\]$]++)\s*+\}\}")
STEP = re.compile(r"([A-Za-z0-9_\-]++)((?:\[[0-9]{1,6}\])*+)")
ENVIRONMENT_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*+")
HOW_TO_WRITE = (
    "a placeholder is {{ name }}, where the name has letters, digits, '_', '-' and '.'; "
    "braces that are meant as text belong into the default of a variable"
)


class PlaceholderError(ValueError):
    """A placeholder that means nothing; the text says which and why, `path` where it stands."""

    def __init__(self, problem: str, path: Path = ()) -> None:
        super().__init__(problem)
        self.path = path


@dataclass(frozen=True, slots=True)
class JobVariable:
    """`{{ name }}` or `{{ name.key }}`: a variable of the template."""

    text: str
    path: Path


@dataclass(frozen=True, slots=True)
class ContextValue:
    """`{{ ctx.flow_run.name }}`: something about the run itself."""

    text: str
    path: Path


@dataclass(frozen=True, slots=True)
class BlockValue:
    """`{{ prefect.blocks.<type slug>.<name>[.field…] }}`."""

    text: str
    slug: str
    name: str
    path: Path


@dataclass(frozen=True, slots=True)
class VariableValue:
    """`{{ prefect.variables.<name> }}`."""

    text: str
    name: str


@dataclass(frozen=True, slots=True)
class EnvironmentValue:
    """`{{ $NAME }}`: an environment variable of the service that renders."""

    text: str
    name: str


@dataclass(frozen=True, slots=True)
class BlockDocument:
    """`{"$ref": {"block_document_id": "…"}}` in the place of a value."""

    id: UUID
    text: str = "$ref"


Reference = JobVariable | ContextValue | BlockValue | VariableValue | EnvironmentValue


@dataclass(frozen=True, slots=True)
class Text:
    """A string with placeholders in it, split; `whole` where it is one placeholder and nothing else."""

    parts: tuple[str | Reference, ...]

    @property
    def whole(self) -> bool:
        return len(self.parts) == 1


def parse(value: Any, *, template: bool, path: Path = ()) -> Any:
    """The JSON value with each string that has placeholders as `Text`, each block reference as
    `BlockDocument`.

    In a template every pair of braces must be a placeholder. Elsewhere only references to blocks, variables,
    the environment and the context are; all other text is left as it is. Raises PlaceholderError.
    """
    try:
        if isinstance(value, str):
            return parse_text(value, template=template)
        document = _block_document(value)
    except PlaceholderError as error:
        error.path = path
        raise
    if document is not None:
        return document
    if isinstance(value, Mapping):
        for key in value if template else ():
            if "{{" in key:
                raise PlaceholderError("has double braces in its key: placeholders are for values", (*path, key))
        return {key: parse(child, template=template, path=(*path, key)) for key, child in value.items()}
    if isinstance(value, list):
        return [parse(child, template=template, path=(*path, at)) for at, child in enumerate(value)]
    return value


def parse_text(text: str, *, template: bool) -> str | Text:
    """The string itself where nothing in it is a placeholder, otherwise its parts."""
    if "{{" not in text:
        return text
    parts: list[str | Reference] = []
    end = 0
    for found in PLACEHOLDER.finditer(text):
        reference = _reference(found[1], template=template)
        if reference is not None:
            parts += [text[end : found.start()], reference]
            end = found.end()
    parts.append(text[end:])
    parts = [part for part in parts if part != ""]
    if template and any(isinstance(part, str) and "{{" in part for part in parts):
        raise PlaceholderError(f"has double braces that are no placeholder: {HOW_TO_WRITE}")
    return text if all(isinstance(part, str) for part in parts) else Text(tuple(parts))


def split_path(text: str) -> Path | None:
    """`a.b[0].c` as keys and positions; None where it is no path."""
    steps: list[str | int] = []
    for piece in text.split("."):
        found = STEP.fullmatch(piece)
        if found is None:
            return None
        steps.append(found[1])
        steps.extend(int(position) for position in found[2][1:-1].split("][") if position)
    return tuple(steps)


def _reference(name: str, *, template: bool) -> Reference | None:
    written = f"{{{{ {name if len(name) <= 120 else name[:119] + '…'} }}}}"
    if name.startswith("$") and (template or ENVIRONMENT_NAME.fullmatch(name, 1)):
        if not ENVIRONMENT_NAME.fullmatch(name, 1):
            raise PlaceholderError(f"has {written}, which is no name of an environment variable")
        return EnvironmentValue(written, name[1:])
    if name == "prefect" or name.startswith("prefect."):
        return _prefect_reference(name, written)
    path = split_path(name)
    if path is not None and path[0] == "ctx":
        if len(path) == 1 and not template:
            return None
        if len(path) == 1:
            raise PlaceholderError(f"has {written}: say what of the context, as in {{{{ ctx.flow_run.name }}}}")
        return ContextValue(written, path[1:])
    if not template:
        return None
    if path is None:
        raise PlaceholderError(f"has {written}, which is no name: {HOW_TO_WRITE}")
    return JobVariable(written, path)


def _prefect_reference(name: str, written: str) -> Reference:
    path = split_path(name)
    if path is not None and path[1:2] == ("variables",) and len(path) >= 3:
        return VariableValue(written, name.removeprefix("prefect.variables."))
    if path is not None and path[1:2] == ("blocks",) and len(path) >= 4:
        slug, block = path[2], path[3]
        if isinstance(slug, str) and isinstance(block, str):
            return BlockValue(written, slug, block, path[4:])
    raise PlaceholderError(
        f"has {written}, which is no reference: write {{{{ prefect.blocks.<type slug>.<name> }}}}, "
        "with .<field> after it for one field, or {{ prefect.variables.<name> }}"
    )


def _block_document(value: Any) -> BlockDocument | None:
    inner = value.get("$ref") if isinstance(value, Mapping) and len(value) == 1 else None
    if not isinstance(inner, Mapping) or set(inner) != {"block_document_id"}:
        return None
    try:
        return BlockDocument(UUID(inner["block_document_id"]))
    except (ValueError, AttributeError, TypeError):
        raise PlaceholderError("refers to a block document by something that is no id (a UUID)") from None
