"""One attempt's folder: what each file in it says, read and written by the service.

launch        who it belongs to, and until when a launcher may still be under way
lock          held by the shim from before the start to its end
started       the shim and the child: pid and start; written once, before the child's gate opens
stop          it is to end, or never to start: the grace in seconds, and when this was first asked
exit          how it ended; written once
output.N, times.N   what it wrote, in segments, and what of it was seen when
work          its working directory where none was asked for
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class Started:
    shim: tuple[int, str]
    """Pid, and when it started in ticks since the boot: together they name one process."""
    child: tuple[int, str]
    boot: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Exit:
    began: datetime | None
    ended: datetime
    code: int | None
    signal: int | None
    why: str
    """Empty: by itself; stop, term or timeout: it was asked to end; shim-killed or rebooted; or the step and
    error number that kept it from starting."""
    killed: bool

    @property
    def failed_step(self) -> tuple[str, int] | None:
        step, _, number = self.why.partition(" ")
        return (step, int(number)) if number else None


class AttemptFolder:
    """The files of one attempt. Reading one that is not there answers None."""

    def __init__(self, root: Path, attempt_id: UUID) -> None:
        self.root = root
        self.attempt_id = attempt_id
        self.path = root / str(attempt_id)

    def __truediv__(self, name: str) -> Path:
        return self.path / name

    def age(self) -> float:
        """Seconds since anything in it was made or renamed; 0 where it is not there."""
        try:
            return time.time() - self.path.stat().st_mtime
        except FileNotFoundError:
            return 0.0

    def create(self) -> None:
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)

    def read_launch(self) -> dict[str, Any] | None:
        text = self._read("launch")
        try:
            record = json.loads(text) if text else None
        except ValueError:
            return None
        return record if isinstance(record, dict) else None

    def write_launch(self, record: dict[str, Any]) -> None:
        self._write("launch", json.dumps(record))

    def read_started(self) -> Started | None:
        if not (lines := self._lines("started")):
            return None
        shim, child = lines["shim"].split(), lines["child"].split()
        return Started(
            shim=(int(shim[0]), shim[1]),
            child=(int(child[0]), child[1]),
            boot=lines["boot"],
            at=_instant(lines["at"]),
        )

    def read_exit(self) -> Exit | None:
        lines = self._lines("exit")
        if "ended" not in lines:
            return None
        return Exit(
            began=_instant(lines["began"]) if "began" in lines else None,
            ended=_instant(lines["ended"]),
            code=int(lines["code"]) if "code" in lines else None,
            signal=int(lines["signal"]) if "signal" in lines else None,
            why=lines.get("why", ""),
            killed="killed" in lines,
        )

    def write_exit(self, why: str, began: datetime, ended: datetime) -> Exit:
        """For a shim that could not. The caller holds the lock."""
        self._write("exit", f"ended {_nanoseconds(ended)}\nbegan {_nanoseconds(began)}\nwhy {why}\n")
        written = self.read_exit()
        assert written  # noqa: S101 - for the type checker: it was written a line ago
        return written

    def read_stop(self) -> tuple[float, datetime] | None:
        """The grace, and when the end was first asked for."""
        lines = self._lines("stop")
        return (float(lines["grace"]), _instant(lines["asked"])) if "asked" in lines else None

    def write_stop(self, grace: float, asked: datetime) -> None:
        self._write("stop", f"grace {grace}\nasked {_nanoseconds(asked)}\n")

    @contextmanager
    def probe(self) -> Iterator[bool]:
        """True with the lock held while inside, False where a shim has it. While it is free no shim lives."""
        try:
            fd = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except FileNotFoundError:
            yield True
            return
        try:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                free = True
            except BlockingIOError:
                free = False
            yield free
        finally:
            os.close(fd)

    def remove(self) -> None:
        """Out of sight in one step, so that a half-removed attempt never looks like one not yet started."""
        removed = self.root / REMOVED
        removed.mkdir(mode=0o700, exist_ok=True)
        target = removed / str(self.attempt_id)
        try:
            self.path.rename(target)
        except FileNotFoundError:
            pass
        remove_tree(target)

    def _read(self, name: str) -> str:
        try:
            return (self.path / name).read_text()
        except (FileNotFoundError, NotADirectoryError):
            return ""

    def _lines(self, name: str) -> dict[str, str]:
        pairs = (line.partition(" ") for line in self._read(name).splitlines() if line)
        return {key: value for key, _, value in pairs}

    def _write(self, name: str, text: str) -> None:
        fd, temporary = tempfile.mkstemp(prefix=f".{name}-", dir=self.path)
        try:
            with os.fdopen(fd, "w") as file:
                file.write(text)
            os.rename(temporary, self.path / name)
        except BaseException:
            os.unlink(temporary)
            raise


def remove_tree(path: Path) -> None:
    """Also what the run made unreadable; what cannot go now goes with a later call."""
    shutil.rmtree(path, ignore_errors=True)
    if path.exists():
        for folder, _, _ in os.walk(path):
            try:
                os.chmod(folder, 0o700)
            except OSError:
                pass
        shutil.rmtree(path, ignore_errors=True)


def _instant(nanoseconds: str) -> datetime:
    return datetime.fromtimestamp(int(nanoseconds) / 1e9, UTC)


def _nanoseconds(instant: datetime) -> int:
    return int(instant.timestamp() * 1e6) * 1000
