"""What the functions tell: log lines as JSON with a correlation id, and metrics in the embedded format (EMF)."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers
from aws_lambda_powertools.metrics import MetricUnit

from skylift.launching import Report
from skylift_functions.loggers import OWN

SERVICE = os.environ.get("POWERTOOLS_SERVICE_NAME") or "skylift"
"""The installation's name: two in one account share the namespace of their metrics."""


def make_logger(verb: str) -> Logger:
    """The function's logger, whose form the core's and the providers' loggers take on."""
    logger = Logger(service=SERVICE, logger_name=f"lambda-{verb}")
    logger.append_keys(function=verb)
    for name in OWN:
        logging.getLogger(name)
    copy_config_to_registered_loggers(logger, include=set(OWN))
    return logger


def make_metrics() -> Metrics:
    return Metrics(namespace="Skylift", service=SERVICE)


def publish(metrics: Metrics) -> None:
    """Write what was counted; an event may well have had nothing to count."""
    if metrics.provider.metric_set:
        metrics.flush_metrics()


def count(metrics: Metrics, **numbers: int) -> None:
    for name, number in numbers.items():
        metrics.add_metric(name, MetricUnit.Count, number)


def tell_launches(metrics: Metrics, report: Report) -> None:
    """What a dispatch did."""
    count(metrics, Launches=report.launched, Throttles=report.delayed, Rejections=report.rejected)
    tell_latencies(metrics, report.waited)


def tell_latencies(metrics: Metrics, seconds: Iterable[float]) -> None:
    for each in seconds:
        metrics.add_metric("DueToLaunch", MetricUnit.Milliseconds, max(0.0, each * 1000))
