"""A delivery as it came in: before anything of it is believed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from skylift.errors import InvalidError
from skylift.json_text import fault_of
from skylift.webhooks.errors import TooLargeError

MAX_BODY = 2**20
"""Bytes. Senders know limits of their own: GitHub 25 MB, Event Grid 1 MB, EventBridge 256 KB; a run's parameters are
kept for as long as the run."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """What was posted."""

    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    """By names in lower case."""
    query: Mapping[str, str] = field(default_factory=dict)

    def header(self, name: str) -> str:
        """Empty where there is none."""
        return self.headers.get(name, "")

    @property
    def media_type(self) -> str:
        """The type of the body without its parameters, in lower case."""
        return self.header("content-type").partition(";")[0].strip().lower()

    def check(self) -> None:
        """What can be told before anything is looked up. Raises `TooLargeError` and `InvalidError`."""
        if len(self.body) > MAX_BODY:
            raise TooLargeError(f"The body has {len(self.body)} bytes, and webhooks take {MAX_BODY} at most")
        if any("\0" in text for pair in self.query.items() for text in pair):
            raise InvalidError("A path or query may not hold NUL characters")
        if fault := fault_of(self.body):
            raise InvalidError(fault)
