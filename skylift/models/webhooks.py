"""Webhooks: addresses that others post to, each of which makes runs of one deployment."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from skylift.models.base import Instant, JsonObject, Name, Stored, Wire

WINDOW, LONGEST_WINDOW = 300, 86_400
"""Seconds that a signed time may be off: as senders and their libraries have it; and the most that may be asked for."""
OVERLAP = 86_400
"""Seconds that an old secret is still valid after it was replaced."""

Secret = Annotated[str, StringConstraints(min_length=16, max_length=500, pattern=r"^[\x21-\x7e]( ?[\x21-\x7e])*$")]
"""What a sender has chosen. Printable, since it may have to go into a header."""


class SignatureKind(StrEnum):
    """How deliveries show that they come from whoever knows the secret; `skylift.webhooks.signatures` has them."""

    HMAC = "hmac"
    GITHUB = "github"
    STRIPE = "stripe"
    BEARER = "bearer"


class WebhookCreate(Wire):
    model_config = ConfigDict(extra="forbid")

    name: Name
    deployment_id: UUID
    kind: SignatureKind = SignatureKind.HMAC
    template: JsonObject | None = Field(None, description="What becomes of a delivery; null: fields are parameters")
    secret: Secret | None = Field(None, repr=False, description="One that the sender has made; null: one is made here")
    replay_window: int = Field(WINDOW, ge=1, le=LONGEST_WINDOW, description="Seconds that a signed time may be off")
    active: bool = True


class WebhookUpdate(BaseModel):
    """What is not given stays."""

    model_config = ConfigDict(extra="forbid")

    deployment_id: UUID | None = None
    template: JsonObject | None = None
    replay_window: int | None = Field(None, ge=1, le=LONGEST_WINDOW)
    active: bool | None = None


class WebhookRotate(BaseModel):
    model_config = ConfigDict(extra="forbid")

    secret: Secret | None = Field(None, repr=False, description="One that the sender has made; null: one is made here")
    overlap: int = Field(OVERLAP, ge=0, le=30 * 86_400, description="Seconds that the old secret is still valid")


class WebhookTest(BaseModel):
    """A delivery to try out."""

    model_config = ConfigDict(extra="forbid")

    body: Any = Field(default_factory=dict, description="JSON")
    headers: dict[str, str] = Field(default_factory=dict, max_length=50)
    dry_run: bool = Field(False, description="Make no run, and say what it would be")


class Webhook(Stored):
    name: str
    deployment_id: UUID
    kind: SignatureKind
    template: JsonObject | None
    replay_window: int
    active: bool
    previous_until: Instant | None = Field(description="Until when the secret before the last rotation is valid")
    path: str = Field(description="Where deliveries are posted to, on this server")


class NewWebhook(Webhook):
    """The answer to its creation or rotation, and the only time that the secret is shown."""

    secret: str


class Outcome(StrEnum):
    """What became of a delivery that was properly signed."""

    RUN = "run"
    SKIPPED = "skipped"
    """By the template's `when`."""
    REFUSED = "refused"


class WebhookDelivery(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    received: Instant
    outcome: Outcome
    flow_run_id: UUID | None
    reason: str | None


class Receipt(BaseModel):
    """The answer to a delivery: the same each time that it is delivered."""

    delivery_id: UUID
    outcome: Outcome
    flow_run_id: UUID | None


class Trial(BaseModel):
    """The answer to a test: the receipt, or what the run would be."""

    receipt: Receipt | None = None
    would_be: JsonObject | None = None
