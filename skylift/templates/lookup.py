"""What a template refers to outside itself, and where a render gets it from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any, Protocol
from uuid import UUID

from skylift.errors import ForbiddenError, NotFoundError
from skylift.templates.check import parsed_value
from skylift.templates.compiled import compiled
from skylift.templates.layers import Layer, merge
from skylift.templates.placeholders import BlockDocument, BlockValue, EnvironmentValue, Text, VariableValue


class Lookup(Protocol):
    """Answers a render's questions."""

    def block(self, slug: str, name: str) -> Mapping[str, Any]:
        """The data of a block document, its secrets in the clear. Raises NotFoundError."""
        ...

    def block_document(self, id: UUID) -> Mapping[str, Any]:  # noqa: A002 - the wire's word
        """The same by id. Raises NotFoundError."""
        ...

    def variable(self, name: str) -> Any:
        """The value of a variable; None where there is none."""
        ...

    def env(self, name: str) -> str | None:
        """An environment variable of the service; None where it is not set. Raises ForbiddenError for every
        name that the operator has not allowed."""
        ...


@dataclass(frozen=True, slots=True)
class Fetched:
    """A Lookup over what was fetched before, in one go, as `references` says."""

    blocks: Mapping[tuple[str, str], Mapping[str, Any]] = field(default_factory=dict)
    documents: Mapping[UUID, Mapping[str, Any]] = field(default_factory=dict)
    variables: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    allowed_environment: Set[str] = frozenset()

    def block(self, slug: str, name: str) -> Mapping[str, Any]:
        if (slug, name) not in self.blocks:
            raise NotFoundError(f"There is no block '{slug}/{name}'.")
        return self.blocks[slug, name]

    def block_document(self, id: UUID) -> Mapping[str, Any]:  # noqa: A002
        if id not in self.documents:
            raise NotFoundError(f"There is no block document {id}.")
        return self.documents[id]

    def variable(self, name: str) -> Any:
        return self.variables.get(name)

    def env(self, name: str) -> str | None:
        if name not in self.allowed_environment:
            raise ForbiddenError(f"The environment variable {name} is not allowed in templates.")
        return self.environment.get(name)


@dataclass(frozen=True, slots=True)
class References:
    """What a render will ask its Lookup for."""

    blocks: frozenset[tuple[str, str]] = frozenset()
    """Type slug and name."""
    documents: frozenset[UUID] = frozenset()
    variables: frozenset[str] = frozenset()
    environment: frozenset[str] = frozenset()


def references(template: Mapping[str, Any], layers: Sequence[Layer]) -> References:
    """All that the job configuration and the effective job variables refer to. Raises TemplateError."""
    ready = compiled(template)
    merged = merge(ready.defaults, layers)
    todo: list[Any] = [ready.configuration]
    todo += [parsed_value(name, merged.values[name], merged) for name in ready.properties if name in merged.values]
    found: list[Any] = []
    while todo:
        match todo.pop():
            case Text(parts=parts):
                found.extend(parts)
            case dict() as node:
                todo.extend(node.values())
            case list() as node:
                todo.extend(node)
            case BlockDocument() as node:
                found.append(node)
    return References(
        blocks=frozenset((part.slug, part.name) for part in found if isinstance(part, BlockValue)),
        documents=frozenset(part.id for part in found if isinstance(part, BlockDocument)),
        variables=frozenset(part.name for part in found if isinstance(part, VariableValue)),
        environment=frozenset(part.name for part in found if isinstance(part, EnvironmentValue)),
    )
