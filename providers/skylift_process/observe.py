"""What an attempt's folder and its lock say of it."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from skylift.provider import Observation
from skylift_process import shim
from skylift_process.errors import to_error
from skylift_process.folder import AttemptFolder, Exit, Started
from skylift_process.processes import end_carriers

SHIM_KILLED = "shim-killed"
REBOOTED = "rebooted"


def observe_attempt(folder: AttemptFolder, handle: str) -> Observation:
    """Files first, the lock only where they leave it open: one that runs costs two reads and a lock."""
    if not folder.path.exists():
        return Observation("gone")
    if exited := folder.read_exit():
        return ended(folder, exited, handle)
    if (started := folder.read_started()) is None:
        return unstarted(folder, handle)
    with folder.probe() as free:
        if not free:
            return Observation("running", handle, started_at=started.at)
        exited = folder.read_exit() or bury(folder, started)
    if exited is None:
        reason = "The process that watched over it was killed; what it left is being ended."
        return Observation("running", handle, reason=reason, started_at=started.at)
    return ended(folder, exited, handle)


def unstarted(folder: AttemptFolder, handle: str) -> Observation:
    """Nothing ran yet. With a `stop` mark and no shim nothing ever will; or a launcher is on its way."""
    with folder.probe() as free:
        if folder.read_started() or not free:
            return Observation("starting", handle)
    record = folder.read_launch()
    if record is None or folder.read_stop() or record.get("boot") != shim.boot_id():
        return Observation("gone")
    return Observation("starting", handle) if shim.boot_time() <= record["deadline"] else Observation("gone")


def bury(folder: AttemptFolder, started: Started) -> Exit | None:
    """Its shim is dead and said nothing: end what it left, write the last word. None: something lives on."""
    now = datetime.now(UTC)
    if started.boot != shim.boot_id():
        return folder.write_exit(REBOOTED, started.at, now)
    if not end_carriers(folder.attempt_id):
        return None
    return folder.write_exit(SHIM_KILLED, started.at, now)


def ended(folder: AttemptFolder, exited: Exit, handle: str) -> Observation:
    told = reason(exited, (folder.read_launch() or {}) if exited.failed_step else {})
    code = exited.code if exited.signal is None else 128 + exited.signal
    return Observation("ended", handle, code, told, exited.began, exited.ended)


def reason(exited: Exit, record: Mapping[str, Any]) -> str:
    """In words for people."""
    if exited.failed_step:
        error = to_error(*exited.failed_step, record.get("program", ""), record.get("working_dir", ""))
        return f"It could not be started. {error} {error.remedy}"
    how = _how(exited)
    match exited.why:
        case "stop" if exited.began is None:
            return "It was stopped before it was started."
        case "stop":
            return f"It was asked to stop, and {how}."
        case "term":
            return f"Its watching process was told to end (SIGTERM) and passed that on; it {how}."
        case "timeout":
            return f"It ran into its timeout, was asked to end, and {how}."
        case "shim-killed":
            return "The process that watched over it was killed, and so was it; its exit code is not known."
        case "rebooted":
            return "The machine was restarted while it ran; its exit code is not known."
        case _:
            return f"It {how}."


def _how(exited: Exit) -> str:
    if exited.signal is None:
        return f"ended with exit code {exited.code}"
    if exited.killed:
        return "was killed when the grace was over"
    name = signal.Signals(exited.signal).name if exited.signal in list(signal.Signals) else str(exited.signal)
    hint = ": perhaps the machine was short of memory" if exited.signal == signal.SIGKILL else ""
    return f"was ended by {name}{hint}"
