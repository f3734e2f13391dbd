"""Pure: what the engine says of a container in, what became of the attempt out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from skylift.provider import Observation
from skylift_docker.launching import NOT_STARTED

RUNNING = frozenset(["running", "paused", "restarting", "stopping"])
KILLED = 137
NO_MEMORY = "Raise 'mem_limit', or let the run take less memory"


def unended(handle: str, state: str) -> Observation | None:
    """Of a container that has not ended, by the engine's list alone; None: ask about it."""
    if state in NOT_STARTED:
        return Observation("starting", handle)
    return Observation("running", handle) if state in RUNNING else None


def ended(handle: str, container: Mapping[str, Any], timeout: float | None) -> Observation:
    """Of a container as it is inspected. `timeout`: its time limit in seconds."""
    state = container["State"]
    started, finished = instant(state.get("StartedAt")), instant(state.get("FinishedAt"))
    if started is None:
        told = str(state.get("Error") or "The engine did not start it")
        what = "See what the engine says, and correct the job variables that it is about"
        return Observation("ended", handle, reason=told, ended_at=finished, fault="setup", remedy=what)
    finished = max(started, finished or started)  # Podman takes the end's time from a coarser clock
    code = state.get("ExitCode")
    reason, remedy = _why(container, code, started, finished, timeout)
    return Observation("ended", handle, code, reason, started, finished, None, remedy)


def _why(
    container: Mapping[str, Any], code: Any, started: datetime, finished: datetime, timeout: float | None
) -> tuple[str | None, str | None]:
    state = container["State"]
    limit = (container.get("HostConfig") or {}).get("Memory") or 0
    if state.get("OOMKilled"):
        told = f" of {limit / 2**20:g} MiB" if limit else ""
        return f"It ran out of memory: the kernel killed a process at the limit{told}", NO_MEMORY
    if timeout and code and finished - started >= timedelta(seconds=timeout):
        return f"It was stopped at its time limit of {timeout:g} s", "Raise 'timeout_seconds'"
    if code == KILLED and limit:
        reason = f"It was killed: for want of memory (its limit is {limit / 2**20:g} MiB), unless somebody stopped it"
        return reason, NO_MEMORY
    if code == KILLED:
        return "It was killed: by a stop, or by the kernel where the machine is short of memory", None
    return str(state.get("Error") or "") or None, None


def instant(text: Any) -> datetime | None:
    """Of a text with up to nine digits of a second; None for the year 1, which means never."""
    match = re.fullmatch(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d)", str(text or ""))
    if not match or match[1].startswith("0001"):
        return None
    fraction = (match[2] or ".0")[:7]
    return datetime.fromisoformat(f"{match[1]}{fraction}{match[3].replace('Z', '+00:00')}").astimezone(UTC)


def is_overdue(container: Mapping[str, Any], timeout: float, now: datetime) -> bool:
    """Whether a container that runs has gone beyond its time limit."""
    started = instant(container["State"].get("StartedAt"))
    return bool(started and container["State"].get("Running") and now - started > timedelta(seconds=timeout))
