"""The time that a function has left."""

from __future__ import annotations

import time
from typing import Protocol

RESERVE = 60.0
"""Seconds that are kept for what was begun: no provider's call takes longer. Half the time, where there is less."""


class Context(Protocol):
    """What is wanted of Lambda's context."""

    aws_request_id: str

    def get_remaining_time_in_millis(self) -> int: ...


class Deadline:
    """Until when something new may be begun."""

    def __init__(self, context: Context) -> None:
        left = context.get_remaining_time_in_millis() / 1000
        self.until = time.monotonic() + left - min(RESERVE, left / 2)

    @property
    def is_over(self) -> bool:
        return time.monotonic() >= self.until
