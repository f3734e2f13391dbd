"""What the functions tell: log lines as JSON in the form that Cloud Logging understands, with the request's trace; and
metrics as a field of such lines, which log-based metrics read."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

from skylift.launching import Report
from skylift_functions.loggers import OWN, given

_trace: ContextVar[Mapping[str, str]] = ContextVar("trace")


class Lines(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        told: dict[str, Any] = {
            "severity": record.levelname,
            "message": record.getMessage(),
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "logger": record.name,
            **_trace.get({}),
            **given(record),
        }
        if record.exc_info:
            told["exception"] = self.formatException(record.exc_info)
        return json.dumps(told, default=str, ensure_ascii=False)


def make_logger(function: str) -> logging.Logger:
    """The function's logger; the core's and the providers' loggers, and everybody's warnings, have the same form."""
    root = logging.getLogger()
    if not any(isinstance(each.formatter, Lines) for each in root.handlers):
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(Lines())
        root.addHandler(handler)
    for name in OWN:
        logging.getLogger(name).setLevel(os.environ.get("SKYLIFT_LOG_LEVEL", "INFO"))
    return logging.getLogger(f"skylift_functions.gcp.{function}")


def correlate(function: str, headers: Mapping[str, str]) -> None:
    """From now on lines carry what the request says of itself."""
    _trace.set({"function": function, **_about(headers)})


def _about(headers: Mapping[str, str]) -> dict[str, str]:
    found = {}
    named = headers.get("traceparent", "").split("-")
    trace, span = (named[1], named[2]) if len(named) == 4 else _older(headers.get("X-Cloud-Trace-Context", ""))
    project = os.environ.get("GOOGLE_CLOUD_PROJECT") or _project_of(os.environ.get("SKYLIFT_QUEUE_OBSERVE", ""))
    if trace and project:
        found["logging.googleapis.com/trace"] = f"projects/{project}/traces/{trace}"
    if trace and span:
        found["logging.googleapis.com/spanId"] = span
    if task := headers.get("X-CloudTasks-TaskName"):
        found["task"] = task
    return found


def _older(header: str) -> tuple[str, str]:
    """`TRACE/SPAN;o=1`, where the span is a decimal number."""
    trace, _, rest = header.partition("/")
    span = rest.partition(";")[0]
    return trace, f"{int(span):016x}" if span.isdecimal() else ""


def _project_of(queue: str) -> str:
    return queue.split("/")[1] if queue.startswith("projects/") else ""


class Metrics:
    """Figures of one request."""

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._numbers: dict[str, int] = {}

    def count(self, **numbers: int) -> None:
        for name, number in numbers.items():
            self._numbers[name] = self._numbers.get(name, 0) + number

    def launches(self, report: Report) -> None:
        """What a dispatch did."""
        self.count(Launches=report.launched, Throttles=report.delayed, Rejections=report.rejected)
        self._latencies(report.waited)

    def _latencies(self, seconds: Iterable[float]) -> None:
        """A line for each: a log-based metric takes one value from a line."""
        for each in seconds:
            self._logger.info("Launched", extra={"metrics": {"DueToLaunch": round(max(0.0, each * 1000), 1)}})

    def publish(self) -> None:
        """Write what was counted; a request may well have had nothing to count."""
        if self._numbers:
            self._logger.info("Metrics", extra={"metrics": self._numbers})
            self._numbers = {}
