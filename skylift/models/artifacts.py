"""Artifacts."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from pydantic import StringConstraints

from skylift.models.base import JsonObject, Stored, Wire

Key = Annotated[str, StringConstraints(min_length=1, max_length=500)]
"""Clients allow lower-case letters, digits and dashes only; keys that come otherwise are kept as they are."""


class ArtifactCreate(Wire):
    key: Key | None = None
    type: str | None = None
    description: str | None = None
    data: Any = None
    metadata_: JsonObject | None = None
    flow_run_id: UUID | None = None
    task_run_id: UUID | None = None


class ArtifactUpdate(Wire):
    data: Any = None
    description: str | None = None
    metadata_: JsonObject | None = None


class Artifact(Stored):
    key: str | None
    type: str | None
    description: str | None
    data: Any
    metadata_: JsonObject | None
    flow_run_id: UUID | None
    task_run_id: UUID | None


class ArtifactCollection(Artifact):
    """The newest artifact of a key. `id` is the key's, whichever artifact is the newest; the times are the artifact's
    first and last."""

    key: str
    latest_id: UUID
