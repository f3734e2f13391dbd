"""What one rendering may cost. Whatever a template reads, walks through or writes is counted, and time is limited."""

from __future__ import annotations

import time
from contextvars import ContextVar
from typing import Any

from skylift.errors import InvalidError

UNITS = 8_000_000
"""Characters, and things at `PER_THING` each: a body of the largest size can be read some times over."""
SECONDS = 2.0
PER_THING, PER_TURN = 8, 400
"""What a value in a list or object costs, and a turn of a loop: 20,000 of these at most."""


class TooCostlyError(InvalidError):
    """The template does too much with this delivery."""


class Budget:
    """Of one rendering."""

    def __init__(self, units: int = UNITS, seconds: float = SECONDS) -> None:
        self.left = units
        self._end = time.monotonic() + seconds

    def spend(self, units: int) -> None:
        """Raises `TooCostlyError`."""
        self.left -= units
        if self.left < 0 or time.monotonic() > self._end:
            raise TooCostlyError(
                "The template does too much with this delivery: it loops too often, or writes too much",
                field="template",
            )

    def read(self, *values: Any) -> None:
        """Spend what reading these as a whole costs, and look no further than that."""
        todo = list(values)
        while todo:
            value = todo.pop()
            size = len(value) if isinstance(value, str) else PER_THING
            if isinstance(value, int) and not isinstance(value, bool):
                size += value.bit_length()
            if isinstance(value, dict):
                size += PER_THING * len(value)
                todo += value.keys()
                todo += value.values()
            elif isinstance(value, list | tuple | set):
                size += PER_THING * len(value)
                todo += value
            self.spend(size)


CURRENT: ContextVar[Budget] = ContextVar("budget")
"""Of the rendering that is under way in this thread."""
