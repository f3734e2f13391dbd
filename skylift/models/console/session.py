"""Login of a browser."""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from skylift.models.api_keys import Role
from skylift.models.base import Instant
from skylift.models.console.base import View


class SessionCreate(BaseModel):
    model_config = ConfigDict(extra="forbid")

    api_key: str = Field(min_length=1, max_length=1000, repr=False)


class Auth(StrEnum):
    """How the service knows who calls."""

    NONE = "none"
    """It does not ask: there is no API key, or the caller may open the database anyway."""
    KEY = "key"


class SessionView(View):
    """Who the caller is."""

    auth: Auth
    role: Role
    expires: Instant | None = Field(description="When the session ends; null without one")
