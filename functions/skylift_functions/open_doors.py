"""An API on the internet that asks nobody for a key does not start."""

from __future__ import annotations

from skylift.errors import ForbiddenError
from skylift.parts import Parts
from skylift.store import api_keys


def check_keys(parts: Parts, remedy: str) -> None:
    """Raises `ForbiddenError` where anybody who finds the address could do everything."""
    if parts.settings.api_key:
        return
    with parts.store.reading() as tx:
        if not api_keys.any_exist(tx):
            raise ForbiddenError(f"There is no API key, and whoever finds the address could do everything: {remedy}")
