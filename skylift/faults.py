"""Defects in the log: where they are, and none of their words, which may carry a value that nobody should see."""

from __future__ import annotations

import traceback


def told(error: BaseException) -> str:
    """The error's type and its traceback, without its message."""
    return f"{type(error).__name__}\n{''.join(traceback.format_tb(error.__traceback__))}".rstrip()
