"""A process whose own clock is wrong, as that of any machine may be."""

from __future__ import annotations

import datetime as real
import sys
import time
from typing import Any

ON_THIS_MACHINE = "skylift_process"
"""It compares with the times of this machine's files and processes, which no process has a clock of its own for."""


def shift(seconds: float) -> None:
    """From now on every module of Skylift in this process reads a clock that is ahead by so much. Monotonic clocks stay
    as they are."""
    ahead = real.timedelta(seconds=seconds)

    class Meta(type):
        def __instancecheck__(cls, instance: object) -> bool:
            return isinstance(instance, real.datetime)

    class Shifted(real.datetime, metaclass=Meta):
        @classmethod
        def now(cls, tz: real.tzinfo | None = None) -> real.datetime:  # type: ignore[override]
            return real.datetime.now(tz) + ahead

    class Time:
        def __getattr__(self, name: str) -> Any:
            return getattr(time, name)

        def time(self) -> float:
            return time.time() + seconds

        def time_ns(self) -> int:
            return time.time_ns() + int(seconds * 1e9)

    shifted = Time()
    for name, module in [*sys.modules.items()]:
        if name.startswith("skylift") and not name.startswith(ON_THIS_MACHINE):
            for own, wrong in ((real.datetime, Shifted), (time, shifted)):
                for attribute in [each for each, value in vars(module).items() if value is own]:
                    setattr(module, attribute, wrong)
