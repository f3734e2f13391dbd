"""What a local cloud was asked and what it did: the evidence of tests, independent of what Skylift believes."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tests.clouds.audit import AUDIT


@dataclass(frozen=True, slots=True)
class Call:
    """One request as it came over the wire."""

    operation: str
    """The cloud's own name for it: RunTask, run.projects.locations.jobs.run, SandboxCreateV2…"""
    body: Any
    """Everything that was sent: JSON values, headers that hold no credentials and path parameters included."""
    secret_fields: Any = None
    """What of it stood in fields that the cloud keeps secret, taken out of `body`."""
    at: datetime = field(default_factory=lambda: datetime.now(UTC))


class Journal:
    """Calls in the order in which they came."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: list[Call] = []
        self._outcomes: Counter[tuple[str, str]] = Counter()
        AUDIT.opens(self)

    def note(self, call: Call) -> None:
        with self._lock:
            self._calls.append(call)

    def answered(self, operation: str, outcome: str) -> None:
        """`outcome`: `ok`, the cloud's error code, or `lost`."""
        with self._lock:
            self._outcomes[operation, outcome] += 1

    def calls(self, *operations: str) -> list[Call]:
        """All, or those of these operations."""
        with self._lock:
            return [each for each in self._calls if not operations or each.operation in operations]

    def count(self, operation: str, outcome: str | None = None) -> int:
        """How many were answered so; None: with whatever outcome."""
        with self._lock:
            return sum(
                number
                for (name, what), number in self._outcomes.items()
                if name == operation and outcome in (None, what)
            )

    def shown(self) -> str:
        """All that stood in fields that the cloud shows, as one text to search for secrets in."""
        with self._lock:
            return "\n".join(f"{each.operation} {each.body!r}" for each in self._calls)
