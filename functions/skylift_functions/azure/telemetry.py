"""What the functions tell: log lines as JSON with the invocation's ids, and metrics as a field of such lines.

The runtime's own handler takes them on to Application Insights, where each is the message of a trace. It passes texts
on and no fields, hence the JSON.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from skylift.launching import Report
from skylift_functions.loggers import OWN, given

log = logging.getLogger(__name__)
_about: ContextVar[Mapping[str, str]] = ContextVar("about")


class Lines(logging.Handler):
    """Makes a JSON object of each record's message, and leaves the rest to the handlers of the root."""

    def emit(self, record: logging.LogRecord) -> None:
        made = logging.LogRecord(record.name, record.levelno, record.pathname, record.lineno, line(record), None, None)
        logging.getLogger().handle(made)


def line(record: logging.LogRecord) -> str:
    told: dict[str, Any] = {
        "level": record.levelname,
        "message": record.getMessage(),
        "logger": record.name,
        **_about.get({}),
        **given(record),
    }
    if record.exc_info:
        told["exception"] = logging.Formatter().formatException(record.exc_info)
    return json.dumps(told, default=str, ensure_ascii=False)


def install() -> None:
    """Give the core's and the providers' loggers this form. The same again changes nothing."""
    for name in OWN:
        logger = logging.getLogger(name)
        logger.setLevel(os.environ.get("SKYLIFT_LOG_LEVEL", "INFO"))
        logger.propagate = False
        logger.handlers = [Lines()]


@contextmanager
def telling(**about: str) -> Iterator[None]:
    """Lines within carry these fields."""
    token = _about.set(about)
    try:
        yield
    finally:
        _about.reset(token)


class Metrics:
    """Figures of one invocation."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._latencies: list[float] = []

    def count(self, **numbers: int) -> None:
        for name, number in numbers.items():
            self._numbers[name] = self._numbers.get(name, 0) + number

    def launches(self, report: Report) -> None:
        """What a dispatch did."""
        self.count(Launches=report.launched, Throttles=report.delayed, Rejections=report.rejected)
        self._latencies += [round(max(0.0, each * 1000), 1) for each in report.waited]

    def publish(self) -> None:
        """One line with all that was counted; an invocation may well have had nothing to count."""
        told: dict[str, Any] = {**self._numbers, **({"DueToLaunch": self._latencies} if self._latencies else {})}
        if told:
            log.info("Metrics", extra={"metrics": told})
