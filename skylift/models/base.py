"""What all wire models share."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

EARLIEST, LATEST = datetime(1000, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)
"""The times that are kept. Beyond, four digits are not enough, and adding a zone or a duration leaves the calendar."""


def _utc(value: datetime) -> datetime:
    """Clients leave the zone out at times; on this wire that means UTC."""
    if value.tzinfo is None:
        value = value.replace(tzinfo=UTC)
    if not EARLIEST <= value <= LATEST:
        raise PydanticCustomError("time_range", "must be a time from the years 1000 to 9000")
    return value.astimezone(UTC)


Instant = Annotated[datetime, AfterValidator(_utc)]

Name = Annotated[str, StringConstraints(min_length=1, max_length=300, pattern=r"^[^/%&><]+$")]
"""Names that go into paths. The forbidden characters are the dialect's."""

MAX_INT = 2**31 - 1
"""The largest number that an integer column holds."""
PositiveInt = Annotated[int, Field(gt=0, le=MAX_INT)]
Limit = Annotated[int, Field(ge=0, le=MAX_INT)]
JsonObject = dict[str, Any]

Text = Annotated[str, AfterValidator(lambda value: value.replace("\0", "�"))]
"""What user code says, in words that nobody chose: a NUL, which PostgreSQL does not keep, must not lose the rest.
Fields of this kind are named in `may_hold_nul`."""


def has_nul(value: Any) -> bool:
    """Whether this is a text, or a list of texts, with a NUL character."""
    if isinstance(value, list):
        return any(isinstance(each, str) and "\0" in each for each in value)
    return isinstance(value, str) and "\0" in value


class Wire(BaseModel):
    """A body that a client sends. Fields that a newer client adds are ignored, as in the dialect, and so is a null
    where there is something better to begin with: clients send null for what they were not given."""

    model_config = ConfigDict(extra="ignore")

    may_hold_nul: ClassVar[frozenset[str]] = frozenset()
    """Fields that may hold NUL: they are cleaned of it, or not kept as text."""

    @model_validator(mode="before")
    @classmethod
    def _without_empty(cls, body: Any) -> Any:
        if not isinstance(body, dict):
            return body
        fields = cls.model_fields
        for name, value in body.items():
            if has_nul(value) and name in fields and name not in cls.may_hold_nul:
                raise PydanticCustomError("nul", "'{name}' may not hold NUL characters", {"name": name})
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
