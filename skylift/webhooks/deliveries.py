"""A delivery as it came in: before anything of it is believed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

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
