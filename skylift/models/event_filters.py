"""The filter of events, and what it says of one event. What the store can ask the database, it reads off the filter."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Annotated, Literal, TypeVar
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from skylift.models.base import Instant
from skylift.models.events import ID, ROLE, Event

T = TypeVar("T")

MAX_VALUES = 1_000


def _without_nul(value: str) -> str:
    if "\0" in value:  # no database keeps it in text, and some refuse to look for it
        raise ValueError("must be without NUL")
    return value


MAX_PREFIXES = 100
"""Each becomes a condition of its own."""

Texts = Annotated[list[Annotated[str, AfterValidator(_without_nul)]], Field(max_length=MAX_VALUES)]
Prefixes = Annotated[list[Annotated[str, AfterValidator(_without_nul)]], Field(max_length=MAX_PREFIXES)]


class Asked(BaseModel):
    """A part of a filter. A null asks for nothing; a name that is not known is an error."""

    model_config = ConfigDict(extra="forbid")


class Occurred(Asked):
    """Both ends are included."""

    since: Instant | None = None
    until: Instant | None = None

    def matches(self, event: Event) -> bool:
        return not ((self.since and event.occurred < self.since) or (self.until and event.occurred > self.until))


class EventName(Asked):
    prefix: Prefixes | None = None
    exclude_prefix: Prefixes | None = None
    name: Texts | None = None
    exclude_name: Texts | None = None

    def matches(self, event: Event) -> bool:
        return self.admits(event.event)

    def admits(self, name: str) -> bool:
        """Whether it asks for events of this name."""
        return not (
            (self.prefix and not name.startswith(tuple(self.prefix)))
            or (self.exclude_prefix and name.startswith(tuple(self.exclude_prefix)))
            or (self.name and name not in self.name)
            or (self.exclude_name and name in self.exclude_name)
        )


Specification = dict[str, str | list[str]]
"""Labels, and what each may be: patterns with `*` and `?`, with a `!` before those that it may not be."""


def _labelled(wanted: Mapping[str, str | list[str]], labels: Mapping[str, str]) -> bool:
    for label, patterns in wanted.items():
        value = labels.get(label)
        if value is None:
            return False
        choices = [patterns] if isinstance(patterns, str) else patterns
        if not any(_fits(pattern, value) for pattern in choices):
            return False
    return True


def _fits(pattern: str, value: str) -> bool:
    if pattern.startswith("!"):
        return not fnmatchcase(value, pattern[1:])
    return fnmatchcase(value, pattern)


class ResourceFilter(Asked):
    id: Texts | None = None
    id_prefix: Prefixes | None = None
    labels: Specification | None = None
    distinct: bool = False

    def matches(self, event: Event) -> bool:
        return self._matches(event.resource)

    def _matches(self, labels: Mapping[str, str]) -> bool:
        return not (
            (self.id and labels[ID] not in self.id)
            or (self.id_prefix and not labels[ID].startswith(tuple(self.id_prefix)))
            or (self.labels and not _labelled(self.labels, labels))
        )


class AnyResourceFilter(ResourceFilter):
    def matches(self, event: Event) -> bool:
        return any(self._matches(labels) for labels in event.involved)


class RelatedFilter(Asked):
    id: Texts | None = None
    role: Texts | None = None
    resources_in_roles: Annotated[list[tuple[str, str]], Field(max_length=MAX_VALUES)] | None = None
    labels: Specification | None = None

    def matches(self, event: Event) -> bool:
        asks = self.id or self.role or self.resources_in_roles or self.labels
        return not asks or any(self._matches(labels) for labels in event.related)

    def _matches(self, labels: Mapping[str, str]) -> bool:
        return not (
            (self.id and labels[ID] not in self.id)
            or (self.role and labels[ROLE] not in self.role)
            or (self.resources_in_roles and (labels[ID], labels[ROLE]) not in self.resources_in_roles)
            or (self.labels and not _labelled(self.labels, labels))
        )


class IdFilter(Asked):
    id: Annotated[list[UUID], Field(max_length=MAX_VALUES)] | None = None

    def matches(self, event: Event) -> bool:
        return not self.id or event.id in self.id


_TERM = re.compile(r'([-!+]?)(?:"([^"]*)"|(\S+))')


class TextFilter(Asked):
    """Words that an event has at least one of, `-words` that it has none of, `+words` that it all has."""

    query: str = Field(max_length=200)

    def matches(self, event: Event) -> bool:
        parts = [event.event, *(value for labels in event.involved for value in labels.values()), str(event.payload)]
        text = " ".join(parts).lower()
        terms = [(sign, (quoted or bare).lower()) for sign, quoted, bare in _TERM.findall(self.query)]
        wanted = [term for sign, term in terms if not sign]
        return (
            (not wanted or any(term in text for term in wanted))
            and all(term in text for sign, term in terms if sign == "+")
            and not any(term in text for sign, term in terms if sign in ("-", "!") and term)
        )


class EventFilter(Asked):
    occurred: Occurred | None = None
    event: EventName | None = None
    resource: ResourceFilter | None = None
    related: RelatedFilter | list[RelatedFilter] | None = None
    any_resource: AnyResourceFilter | list[AnyResourceFilter] | None = None
    id: IdFilter | None = None
    text: TextFilter | None = None
    order: Literal["ASC", "DESC"] = "DESC"

    def matches(self, event: Event) -> bool:
        """Whether it asks for this event."""
        return all(part.matches(event) for part in self._parts())

    def _parts(self) -> Iterable[Occurred | EventName | ResourceFilter | RelatedFilter | IdFilter | TextFilter]:
        simple = (self.occurred, self.id, self.event, self.resource, self.text)
        yield from (part for part in simple if part)
        yield from self.all_related
        yield from self.all_any_resource

    def bare(self) -> EventFilter | None:
        """The same, where the name and the time of an event tell all that it asks for."""
        others = (self.resource, self.id, self.text, *self.all_involved)
        if any(part and any(part.model_dump().values()) for part in others):
            return None
        return EventFilter(occurred=self.occurred, event=self.event, order=self.order)

    @property
    def all_related(self) -> list[RelatedFilter]:
        """Each of them must match."""
        return _listed(self.related)

    @property
    def all_any_resource(self) -> list[AnyResourceFilter]:
        """Each of them must match."""
        return _listed(self.any_resource)

    @property
    def all_involved(self) -> list[AnyResourceFilter | RelatedFilter]:
        """Those that ask for related resources, among others or alone."""
        return [*self.all_any_resource, *self.all_related]

    @property
    def names(self) -> list[str] | None:
        """The only names that it asks for; None where it does not list them."""
        return self.event.name if self.event and self.event.name else None


def _listed(value: T | list[T] | None) -> list[T]:
    return value if isinstance(value, list) else [value] if value else []
