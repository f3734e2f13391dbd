"""What all wire models share."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator


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
    """A body that a client sends. Fields that a newer client adds are ignored, as in the dialect, and so is a null
    where there is something better to begin with: clients send null for what they were not given."""

    model_config = ConfigDict(extra="ignore")

    @model_validator(mode="before")
    @classmethod
    def _without_empty(cls, body: Any) -> Any:
        if not isinstance(body, dict):
            return body
        fields = cls.model_fields
        return {
            name: value
            for name, value in body.items()
            if value is not None
            or name not in fields
            or fields[name].is_required()
            or fields[name].get_default(call_default_factory=True) is None
        }


class Stored(BaseModel):
    """An object that the store answers with."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    created: Instant
    updated: Instant
