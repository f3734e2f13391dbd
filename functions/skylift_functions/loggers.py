"""Whose log lines the functions put into their platform's form, and what was said beside a line's words."""

from __future__ import annotations

import logging
from typing import Any

OWN = (
    "skylift",
    "skylift_functions",
    "skylift_ecs",
    "skylift_cloud_run",
    "skylift_container_instance",
    "skylift_modal",
)
"""Loggers of the core, the functions and the providers that functions serve."""
USUAL = frozenset([*vars(logging.makeLogRecord({})), "message", "asctime", "taskName"])
"""Attributes that every record has."""


def given(record: logging.LogRecord) -> dict[str, Any]:
    """What came with `extra`."""
    return {name: value for name, value in vars(record).items() if name not in USUAL}
