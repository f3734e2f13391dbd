"""The demo's flows: plain Python, nothing to import, nothing to decorate."""

from __future__ import annotations

import logging
import time

log = logging.getLogger(__name__)


def greet(name: str = "world", seconds: float = 1.0) -> None:
    """Greets somebody and takes its time."""
    print(f"Hello, {name}!")
    time.sleep(seconds)
    log.info("%s was greeted", name)


def settle_invoices(path: str = "invoices.csv") -> None:
    """Fails, as flows do: its input is not there."""
    log.info("Reading %s", path)
    with open(path) as invoices:
        print(f"{len(invoices.readlines())} invoices")
