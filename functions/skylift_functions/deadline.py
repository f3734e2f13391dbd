"""The time that a function has left."""

from __future__ import annotations

import time

RESERVE = 60.0
"""Seconds that are kept for what was begun: no provider's call takes longer. Half the time, where there is less."""


class Deadline:
    """Until when something new may be begun."""

    def __init__(self, left: float) -> None:
        """`left`: seconds until the platform ends the function."""
        self.until = time.monotonic() + left - min(RESERVE, left / 2)

    @property
    def is_over(self) -> bool:
        return time.monotonic() >= self.until
