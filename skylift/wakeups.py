"""Wakeups: messages to come back later. They only make things sooner; the timer alone would make everything right."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Dispatch:
    """Something of this pool is due."""

    pool_id: UUID


@dataclass(frozen=True, slots=True)
class Schedule:
    """Schedules were changed, or their ledgers have to be continued."""


@dataclass(frozen=True, slots=True)
class Observe:
    """Attempts want to be looked at."""


Wakeup = Dispatch | Schedule | Observe


class Wakeups(Protocol):
    """A delay queue. May lose, repeat and reorder: nobody relies on a single wakeup."""

    def send(self, wakeup: Wakeup, at: datetime) -> None:
        """Deliver at `at` (aware UTC) or soon after; past times mean now. Returns at once and never raises."""
        ...


class NoWakeups:
    """For one-off commands: whatever is left, the timer finds."""

    def send(self, wakeup: Wakeup, at: datetime) -> None:
        return None
