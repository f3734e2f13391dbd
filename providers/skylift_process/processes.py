"""Other processes of this machine: who is who, and signals that never reach a stranger."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from uuid import UUID

from skylift_process import shim
from skylift_process.request import ATTEMPT_VARIABLE


def send_verified(pid: int, ticks: str, number: signal.Signals) -> bool:
    """Signal the process that started at `ticks` (see `shim.start_ticks`); False where it is not there.

    The descriptor pins the process before its start time is compared, so a recycled pid is never signalled.
    """
    if not hasattr(os, "pidfd_open"):
        return _send_by_pid(pid, ticks, number)
    try:
        pinned = os.pidfd_open(pid)
    except OSError:
        return False
    try:
        if shim.start_ticks(pid) != ticks:
            return False
        signal.pidfd_send_signal(pinned, number)
    except OSError:
        return False
    finally:
        os.close(pinned)
    return True


def _send_by_pid(pid: int, ticks: str, number: signal.Signals) -> bool:
    if shim.start_ticks(pid) != ticks:
        return False
    try:
        os.kill(pid, number)
    except OSError:
        return False
    return True


def carriers(attempt_id: UUID) -> Iterator[tuple[int, str]]:
    """Pid and start of every process whose environment carries the attempt's mark. Zombies have none."""
    mark = f"{ATTEMPT_VARIABLE}={attempt_id}".encode()
    try:
        names = [name for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        return
    for name in names:
        pid = int(name)
        ticks = shim.start_ticks(pid)
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                environment = file.read()
        except OSError:
            continue
        if mark in environment.split(b"\0") and pid != os.getpid():
            yield pid, ticks


def end_carriers(attempt_id: UUID, patience: float = 1.0) -> bool:
    """Kill whatever carries the attempt's mark; True once two looks in a row found nothing."""
    until = time.monotonic() + patience
    quiet = 0
    while quiet < 2:
        found = list(carriers(attempt_id))
        quiet = 0 if found else quiet + 1
        for pid, ticks in found:
            send_verified(pid, ticks, signal.SIGKILL)
            _reap(pid)
        if found:
            if time.monotonic() > until:
                return False
            time.sleep(0.005)
    return True


def _reap(pid: int) -> None:
    """An orphan falls to the service where it is the machine's first process."""
    try:
        os.waitpid(pid, os.WNOHANG)
    except OSError:
        pass
