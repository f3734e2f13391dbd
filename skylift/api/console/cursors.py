"""Cursors: where the next page of a list begins. They are opaque, and go on where the last page ended however much came
in meanwhile."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from skylift.errors import InvalidError

T = TypeVar("T")


def write(*values: object) -> str:
    """A cursor with these values as texts."""
    return base64.urlsafe_b64encode(json.dumps([str(each) for each in values]).encode()).decode().rstrip("=")


def read(text: str, make: Callable[..., T]) -> T:
    """What was written, as `make` reads the texts. Raises `InvalidError`."""
    try:
        return make(*json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))))
    except (ValueError, TypeError, AttributeError, binascii.Error):
        raise InvalidError("`after` is no cursor of a page of this list", field="after") from None


def instant_and_id(at: str, id_: str) -> tuple[datetime, UUID]:
    """The end of a page that goes by time."""
    found = datetime.fromisoformat(at)
    if found.tzinfo is None:
        raise ValueError("a time without a zone")
    return found, UUID(id_)


def offset(number: str) -> int:
    """The end of a page of a list that is short."""
    found = int(number)
    if not 0 <= found < 2**31:
        raise ValueError("no offset")
    return found
