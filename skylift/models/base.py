"""What all wire models share."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints


def _utc(value: datetime) -> datetime:
    """Clients leave the zone out at times; on this wire that means UTC."""
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


Instant = Annotated[datetime, AfterValidator(_utc)]

Name = Annotated[str, StringConstraints(min_length=1, max_length=300, pattern=r"^[^/%&><]+$")]
"""Names that go into paths. The forbidden characters are the dialect's."""

PositiveInt = Annotated[int, Field(gt=0)]
Limit = Annotated[int, Field(ge=0)]
JsonObject = dict[str, Any]


class Wire(BaseModel):
    """A body that a client sends. Fields that a newer client adds are ignored, as in the dialect."""

    model_config = ConfigDict(extra="ignore")


class Stored(BaseModel):
    """An object that the store answers with."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    created: Instant
    updated: Instant
