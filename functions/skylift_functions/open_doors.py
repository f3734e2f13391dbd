"""An API on the internet that asks nobody for a key does not start."""

from __future__ import annotations

from skylift.errors import ForbiddenError
from skylift.parts import Parts


def check_keys(parts: Parts, remedy: str) -> None:
    """Raises `ForbiddenError` where anybody who finds the address could do everything."""
    if not parts.asks_for_keys:
        raise ForbiddenError(f"There is no API key, and whoever finds the address could do everything: {remedy}")
