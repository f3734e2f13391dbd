"""What every platform's functions work with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from skylift.parts import Parts
from skylift.wakeups import Wakeups

NEEDS_A_MACHINE = frozenset(["process:push", "docker:push"])
"""What such a pool starts would stand still, and go, with the function."""
CONNECTIONS = 1
"""For each function at a time, and one more while threads heal: a database has to bear a thousand functions."""


class SentWakeups(Wakeups, Protocol):
    """Those of a function, which stands still when it returns."""

    def flush(self, patience: float = ...) -> bool:
        """Wait until all is sent; says whether all that was asked for since the last time is."""
        ...


@dataclass(frozen=True, slots=True)
class Installation:
    """The parts, and the wakeups that have to be sent before the function ends."""

    parts: Parts
    wakeups: SentWakeups
