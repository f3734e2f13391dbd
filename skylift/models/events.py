"""Events: what happened to which resource. Clients send them; states of flow runs are read as events, too."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, BaseModel, Field, field_validator

from skylift.models.base import Instant, JsonObject, Wire

ID, ROLE, NAME = "prefect.resource.id", "prefect.resource.role", "prefect.resource.name"
"""The labels that every resource has, that every related one has, and that it is shown by."""

FLOW_RUN, TASK_RUN = "prefect.flow-run.", "prefect.task-run."
"""What the resource ids of runs, and the names of their events, begin with."""

MAX_LABELS = 500
MAX_RELATED = 100
MAX_ID = 1_000
"""Bytes of an id: an entry of an index has no room for much more."""


def indexable(value: str) -> str:
    """A text that may be in an index of any database."""
    if "\0" in value or len(value.encode()) > MAX_ID:
        raise ValueError(f"must have at most {MAX_ID} bytes, and no NUL")
    return value


Indexable = Annotated[str, AfterValidator(indexable)]
Labels = Annotated[dict[str, str], Field(max_length=MAX_LABELS)]


def run_id(resource_id: str, kind: str = FLOW_RUN) -> UUID | None:
    """The run that this resource is; None where it is something else."""
    if not resource_id.startswith(kind):
        return None
    try:
        return UUID(resource_id.removeprefix(kind))
    except ValueError:
        return None


class Event(Wire):
    """An event as its sender tells it."""

    id: UUID
    occurred: Instant
    event: Indexable
    resource: Labels
    related: Annotated[list[Labels], Field(max_length=MAX_RELATED)] = Field(default_factory=list)
    payload: JsonObject = Field(default_factory=dict)
    follows: UUID | None = None

    @field_validator("resource")
    @classmethod
    def _identified(cls, labels: dict[str, str]) -> dict[str, str]:
        if not labels.get(ID):
            raise ValueError(f"a resource needs the label {ID}")
        indexable(labels[ID])
        return labels

    @field_validator("related")
    @classmethod
    def _in_roles(cls, related: list[dict[str, str]]) -> list[dict[str, str]]:
        if not all(labels.get(ID) and labels.get(ROLE) for labels in related):
            raise ValueError(f"a related resource needs the labels {ID} and {ROLE}")
        return related

    @property
    def resource_id(self) -> str:
        return self.resource[ID]

    @property
    def involved(self) -> list[dict[str, str]]:
        """Its resource, and those that are related to it."""
        return [self.resource, *self.related]

    @property
    def flow_run_ids(self) -> list[UUID]:
        """The flow runs that it names, the most important one first."""
        found = (run_id(labels[ID]) for labels in self.involved)
        return list(dict.fromkeys(each for each in found if each))


class ReceivedEvent(Event):
    """An event, and when it came in."""

    received: Instant


class EventPage(BaseModel):
    events: list[ReceivedEvent]
    total: int
    next_page: str | None


class EventCount(BaseModel):
    """How many events have something in common, and when they were."""

    value: str
    label: str
    count: int
    start_time: Instant
    end_time: Instant


def message(event: Event) -> dict[str, Any]:
    """The frame that a subscriber gets."""
    return {"type": "event", "event": event.model_dump(mode="json")}
