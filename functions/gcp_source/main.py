"""Where Cloud Run functions begin: four targets, of which a process imports just its own."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

TARGETS = ("api", "schedule", "dispatch", "observe")


def __getattr__(name: str) -> Callable[..., Any]:
    if name not in TARGETS:
        raise AttributeError(name)
    found: Callable[..., Any] = import_module(f"skylift_functions.gcp.{name}").handler
    return found
