"""A script that forks dispatchers: each is a process of its own, without the second that importing takes.

Orders come as lines of JSON on stdin. Answers are lines on stdout: `started PID`, and `ended PID CODE` (a negative code
is a signal). When stdin is closed, every dispatcher is ended; orphans of those that were killed are collected here.
"""

from __future__ import annotations

import ctypes
import json
import logging
import os
import select
import signal
import sys
import time
import traceback
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import NoReturn

PR_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True)
class Order:
    """One dispatcher."""

    env: dict[str, str]
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


def dispatch_until_told(order: Order) -> None:
    """Passes of dispatch and observe, until SIGTERM."""
    stop: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: stop.append(number))
    os.environ.update(order.env)

    from skylift import cleanup, observe
    from skylift.dispatch import dispatch
    from skylift.parts import Parts
    from skylift.settings import Settings
    from skylift.store import due
    from tests.chaos import points

    parts = Parts.embedded(Settings())
    provider = parts.providers.get("process:push")
    provider.call_timeout, provider.look_every = order.call_timeout, order.look_every
    observe.TAKEN_FOR = cleanup.AGAIN = timedelta(seconds=order.quick)
    if order.strike:
        points.arm(provider, **order.strike)  # type: ignore[arg-type]
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


def child(order: Order) -> NoReturn:
    code = 1
    try:
        logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(process)d %(message)s")
        null = os.open(os.devnull, os.O_RDWR)
        os.dup2(null, 0)
        os.dup2(null, 1)
        dispatch_until_told(order)
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def say(text: str) -> None:
    os.write(1, f"{text}\n".encode())


def reap(children: set[int]) -> None:
    """Dispatchers that ended, and whatever they left to this process."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not pid:
            return
        if pid in children:
            children.discard(pid)
            say(f"ended {pid} {os.waitstatus_to_exitcode(status)}")


def main() -> None:
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    # Imported once, for all dispatchers.
    import tests.chaos.points

    assert tests.chaos.points
    children: set[int] = set()
    pending = b""
    while True:
        if select.select([0], [], [], 0.02)[0]:
            data = os.read(0, 1 << 16)
            if not data:
                break
            *lines, pending = (pending + data).split(b"\n")
            for line in lines:
                pid = os.fork()
                if not pid:
                    child(Order(**json.loads(line)))
                children.add(pid)
                say(f"started {pid}")
        reap(children)
    for pid in children:
        os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))
    from tests.chaos import host  # so that `Order` is one class, wherever it is imported

    host.main()
