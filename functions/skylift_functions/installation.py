"""What every platform's functions work with."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from skylift.parts import Parts
from skylift.wakeups import Wakeup, Wakeups

NEEDS_A_MACHINE = frozenset(["process:push", "docker:push"])
"""What such a pool starts would stand still, and go, with the function."""
CONNECTIONS = 1
"""For each function at a time, and one more while threads heal: a database has to bear a thousand functions."""


class SentWakeups(Wakeups, Protocol):
    """Those of a function, which stands still when it returns."""

    def send_again(self, wakeup: Wakeup, at: datetime) -> None:
        """As `send`, for a message that has come, be it too early: it stands for no other one any more."""
        ...

    def flush(self, patience: float = ...) -> bool:
        """Wait until all is sent; says whether all that was asked for since the last time is."""
        ...


@dataclass(frozen=True, slots=True)
class Installation:
    """The parts, and the wakeups that have to be sent before the function ends."""

    parts: Parts
    wakeups: SentWakeups
