"""Three small flows in plain Python: nothing to import, nothing to decorate."""

from __future__ import annotations

import logging
import time

log = logging.getLogger(__name__)


def greet(name: str = "world", times: int = 1, pause: float = 0.2) -> str:
    """Greets somebody, in print and in the log."""
    for number in range(times):
        print(f"Hello, {name}!")
        log.info("Greeting %s of %s", number + 1, times)
        time.sleep(pause)
    return f"greeted {name}"


def settle_invoices(path: str = "invoices.csv") -> None:
    """Fails, as flows do: its input is not there."""
    print(f"Reading {path}")
    with open(path) as invoices:
        print(f"{len(invoices.readlines())} invoices")


def count(seconds: int = 60) -> None:
    """Takes its time: for trying out `skylift flow-run cancel`."""
    for second in range(seconds):
        print(f"{second + 1} of {seconds}")
        time.sleep(1)
