"""/skylift: upkeep of the installation. Each call works for a bounded time; where it says so, ask again."""

from __future__ import annotations

import time
from typing import Annotated

from fastapi import Body

from skylift.api import scopes
from skylift.api.deps import PartsDep
from skylift.api.routing import Router
from skylift.models.upkeep import Retained, Rotated, UpkeepOrder
from skylift.retention import retention
from skylift.security.rotation import rotate

LONGEST = 20.0
"""Seconds that one call works for."""

router = Router(prefix="/skylift", tags=["Upkeep"])

OrderBody = Annotated[UpkeepOrder, Body(default_factory=UpkeepOrder)]


@router.post("/retention", dependencies=[scopes.NONE])
def run_retention(parts: PartsDep, body: OrderBody) -> Retained:
    """Delete what is older than the settings keep it."""
    return retention(parts, dry_run=body.dry_run, until=time.monotonic() + LONGEST)


@router.post("/secrets/rotate", dependencies=[scopes.NONE])
def rotate_secrets(parts: PartsDep, body: OrderBody) -> Rotated:
    """Seal what is secret with the newest key."""
    return rotate(parts, dry_run=body.dry_run, until=time.monotonic() + LONGEST)
