"""What the console's answers share."""

from __future__ import annotations

from uuid import UUID

from pydantic import BaseModel, ConfigDict

from skylift.models.base import Instant
from skylift.models.states import StateType


class View(BaseModel):
    """An answer, or a part of one. Its shape is closed: every field always comes, and no other does."""

    model_config = ConfigDict(
        extra="forbid",
        from_attributes=True,
        json_schema_serialization_defaults_required=True,
        use_attribute_docstrings=True,
    )


class Named(View):
    """What something belongs to."""

    id: UUID
    name: str


class RunRow(View):
    """A flow run in a list."""

    id: UUID
    name: str
    flow: Named
    deployment: Named | None
    work_pool_name: str | None
    work_queue_name: str | None
    state_type: StateType
    state_name: str
    state_message: str | None
    """Its first line, cut to 300 characters."""
    state_timestamp: Instant
    expected_start_time: Instant
    start_time: Instant | None
    end_time: Instant | None
    run_count: int
    tags: list[str]
