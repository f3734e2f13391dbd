"""A dispatcher as a process of its own: passes of dispatch and observe until SIGTERM."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from skylift import cleanup, observe
from skylift.dispatch import dispatch
from skylift.parts import Parts
from skylift.settings import Settings
from skylift.store import due
from tests.chaos import points
from tests.chaos.storm import bugs


@dataclass(frozen=True)
class Order:
    """One dispatcher."""

    env: Mapping[str, str]
    idle: float = 0.05
    """Seconds between two passes."""
    call_timeout: float = 2.0
    look_every: float = 0.25
    quick: float = 1.0
    """Seconds that others leave alone what one has taken on to look at, or to clean."""
    strays: bool = False
    dispatches: bool = True
    observes: bool = True
    strike: dict[str, object] = field(default_factory=dict)
    """`point`, `turn`, `signal`: see points.py."""
    bug: str = ""
    """See storm/bugs.py."""


def run(**order: object) -> None:
    """As the order says."""
    dispatch_until_told(Order(**order))  # type: ignore[arg-type]


def dispatch_until_told(order: Order) -> None:
    stop: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: stop.append(number))
    os.environ.update(order.env)
    parts = Parts.embedded(Settings())
    provider = parts.providers.get("process:push")
    provider.call_timeout, provider.look_every = order.call_timeout, order.look_every
    observe.TAKEN_FOR = cleanup.AGAIN = timedelta(seconds=order.quick)
    if order.bug:
        bugs.plant(order.bug)
    if order.strike:
        points.arm(provider, parts.store, **order.strike)  # type: ignore[arg-type]
    strays_at = 0.0
    while not stop:
        with parts.store.reading() as tx:
            pools = due.pools_with_due_runs(tx)
        for pool in pools if order.dispatches else ():
            dispatch(parts, pool, until=time.monotonic() + 5)
        if order.observes:
            observe.observe(parts)
        if order.strays and time.monotonic() > strays_at:
            cleanup.stop_strays(parts)
            strays_at = time.monotonic() + 1
        time.sleep(order.idle)
    parts.store.close()
    (parts.settings.home / f"cpu-{os.getpid()}").write_text(str(time.process_time()))
