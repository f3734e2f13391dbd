"""API keys: what people and their programs show to the API."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from skylift.models.base import Instant, Name, Stored, Wire


class Role(StrEnum):
    """What a key allows. Each role may do all that the ones after it may."""

    ADMIN = "admin"
    DEPLOYER = "deployer"
    VIEWER = "viewer"


class ApiKeyCreate(Wire):
    name: Name
    role: Role
    expires: Instant | None = Field(None, description="When it stops being valid; null: never")


class ApiKey(Stored):
    name: str
    role: Role
    beginning: str
    expires: Instant | None


class NewApiKey(ApiKey):
    """The answer to its creation, and the only time that the key itself is shown."""

    key: str
