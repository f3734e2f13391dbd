"""Schedules in the Prefect 3 wire shapes: an interval, a cron expression or a recurrence rule, in an IANA zone.

A schedule never depends on "now": an interval without an anchor counts from 2020-01-01T00:00 in its zone, and so does
a rule without DTSTART. What the fields mean where the clock changes is in `docs/schedules.md`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
    field_serializer,
    field_validator,
)
from pydantic_core import PydanticCustomError

from skylift.cron import parse_cron
from skylift.errors import InvalidError
from skylift.rrule_text import ANCHOR, parse_rrule
from skylift.walltime import END, to_utc, zone

MIN_INTERVAL = timedelta(seconds=1)
MAX_INTERVAL = timedelta(days=3660)
_EARLIEST_ANCHOR = datetime(1900, 1, 1, tzinfo=UTC)
_LATEST_ANCHOR = END.replace(tzinfo=UTC)


class _Schedule(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    # The first field, so that it is known where the others are validated.
    timezone: str = Field(default="UTC", examples=["Europe/Paris"])

    @field_validator("timezone", mode="before")
    @classmethod
    def _null_is_utc(cls, value: object) -> object:
        return "UTC" if value is None else value

    @field_validator("timezone")
    @classmethod
    def _is_known(cls, value: str) -> str:
        _explained(lambda: zone(value))
        return value


class IntervalSchedule(_Schedule):
    """Every so many seconds, counted from an anchor, which fixes the phase and not the beginning."""

    interval: timedelta = Field(description="Seconds, from 1 s to ten years; on the wire a float")
    anchor_date: datetime = Field(
        default_factory=lambda known: _default_anchor(known),
        description="Without an offset it is local time; 2020-01-01T00:00 local time if not given",
    )

    @field_validator("interval")
    @classmethod
    def _is_sensible(cls, value: timedelta) -> timedelta:
        if not MIN_INTERVAL <= value <= MAX_INTERVAL:
            raise _refused(
                f"An interval is from {MIN_INTERVAL.total_seconds():.0f} s to {MAX_INTERVAL.days} days long, "
                f"not {value.total_seconds():g} s."
            )
        return value

    @field_validator("anchor_date", mode="before")
    @classmethod
    def _null_is_the_default(cls, value: object, info: ValidationInfo) -> object:
        return _default_anchor(info.data) if value is None else value

    @field_validator("anchor_date")
    @classmethod
    def _is_an_instant(cls, value: datetime, info: ValidationInfo) -> datetime:
        if value.tzinfo is None:
            value = to_utc(value, zone(info.data.get("timezone", "UTC")))
        if not _EARLIEST_ANCHOR <= value < _LATEST_ANCHOR:
            raise _refused(f"An anchor lies in the years {_EARLIEST_ANCHOR.year} to {_LATEST_ANCHOR.year - 1}.")
        return value.astimezone(UTC)

    @field_serializer("interval", when_used="json")
    def _in_seconds(self, value: timedelta) -> float:
        return value.total_seconds()


class CronSchedule(_Schedule):
    """A cron expression, read in local time."""

    cron: str = Field(examples=["0 9 * * MON-FRI"])
    day_or: bool = Field(default=True, description="Whether one of day of month and day of week is enough")

    @field_validator("cron")
    @classmethod
    def _is_a_cron_expression(cls, value: str) -> str:
        _explained(lambda: parse_cron(value))
        return value

    @field_validator("day_or")
    @classmethod
    def _fires_with_both(cls, value: bool, info: ValidationInfo) -> bool:
        if not value and "cron" in info.data:
            _explained(lambda: parse_cron(info.data["cron"], day_or=False))
        return value


class RRuleSchedule(_Schedule):
    """A recurrence rule (RFC 5545), read in local time."""

    rrule: str = Field(examples=["FREQ=DAILY;BYHOUR=9"])

    @field_validator("rrule")
    @classmethod
    def _is_a_rule(cls, value: str, info: ValidationInfo) -> str:
        _explained(lambda: parse_rrule(value, info.data.get("timezone", "UTC")))
        return value


_KINDS: dict[type, str] = {IntervalSchedule: "interval", CronSchedule: "cron", RRuleSchedule: "rrule"}


def _kind_of(value: Any) -> str | None:
    if isinstance(value, Mapping):
        return next((kind for kind in _KINDS.values() if kind in value), None)
    return _KINDS.get(type(value))


Schedule = Annotated[
    Annotated[IntervalSchedule, Tag("interval")]
    | Annotated[CronSchedule, Tag("cron")]
    | Annotated[RRuleSchedule, Tag("rrule")],
    Discriminator(
        _kind_of,
        custom_error_type="schedule_kind",
        custom_error_message="A schedule has one of the fields interval, cron and rrule.",
    ),
]

_ADAPTER: TypeAdapter[Schedule] = TypeAdapter(Schedule)


def parse_schedule(document: Any, *, field: str = "schedule") -> Schedule:
    """A schedule from its wire shape. Raises `InvalidError`; its `field` is the path of the culprit below `field`."""
    try:
        return _ADAPTER.validate_python(document)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        kind, *path = first["loc"] or (None,)
        name = ".".join([field, *map(str, path)])
        message = first["msg"]
        if first["type"] == "extra_forbidden":
            message = f"a schedule with {kind} has no such field"
        raise InvalidError(f"{name}: {message}", field=name) from error


def _default_anchor(known: Mapping[str, Any]) -> datetime:
    return to_utc(ANCHOR, zone(known.get("timezone", "UTC")))


def _explained(check: Callable[[], object]) -> None:
    try:
        check()
    except InvalidError as error:
        raise _refused(str(error)) from error


def _refused(message: str) -> PydanticCustomError:
    return PydanticCustomError("schedule_refused", "{message}", {"message": message})
