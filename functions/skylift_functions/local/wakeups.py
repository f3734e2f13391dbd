"""Wakeups within one process: kept in memory, one of each kind, delivered at their second."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

from skylift.wakeups import Wakeup


class LocalWakeups:
    """A delay queue of a process. What it forgets when the process ends, the timer of the next one finds."""

    def __init__(self) -> None:
        self._planned: dict[Wakeup, datetime] = {}
        self._change = threading.Condition()
        self._closed = False

    def send(self, wakeup: Wakeup, at: datetime) -> None:
        """Deliver at `at`; of several that are equal the earliest."""
        with self._change:
            if wakeup not in self._planned or at < self._planned[wakeup]:
                self._planned[wakeup] = at
                self._change.notify_all()

    def take(self) -> Wakeup | None:
        """Wait for the next one whose time has come; None once the queue is closed."""
        with self._change:
            while not self._closed:
                now = datetime.now(UTC)
                wakeup = min(self._planned, key=self._planned.__getitem__, default=None)
                if wakeup is None:
                    self._change.wait()
                elif self._planned[wakeup] <= now:
                    del self._planned[wakeup]
                    return wakeup
                else:
                    self._change.wait((self._planned[wakeup] - now).total_seconds())
            return None

    def close(self) -> None:
        """Let go of whoever waits."""
        with self._change:
            self._closed = True
            self._change.notify_all()
