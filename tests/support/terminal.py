"""A command on a pseudo-terminal of its own, and somebody who reads and types."""

from __future__ import annotations

import fcntl
import os
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

PATIENCE = 60.0
CONTROLS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[()][AB0]|\r")


class Terminal:
    """`said` is all that was shown so far, without colours and movements of the cursor."""

    def __init__(
        self, command: Sequence[str], env: Mapping[str, str], folder: Path, *, rows: int = 50, columns: int = 160
    ) -> None:
        self._ours, theirs = os.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self._process = subprocess.Popen(
            command,
            env={**env, "TERM": "xterm", "COLUMNS": str(columns)},
            cwd=folder,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        self.said = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        os.close(self._ours)

    def until(self, text: str) -> None:
        """Until this is shown."""
        deadline = time.monotonic() + PATIENCE
        while text not in self.said:
            assert self._read(deadline), f"{text!r} is not among:\n{self.said}"

    def type(self, line: str) -> None:
        os.write(self._ours, f"{line}\n".encode())

    def end(self) -> int:
        """The exit code, once all is shown."""
        deadline = time.monotonic() + PATIENCE
        while self._read(deadline):
            pass
        return self._process.wait(PATIENCE)

    def _read(self, deadline: float) -> bool:
        """False when nothing comes any more."""
        ready, _, _ = select.select([self._ours], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            return False
        try:
            shown = os.read(self._ours, 65536)
        except OSError:  # the other end is closed
            return False
        self.said += CONTROLS.sub("", shown.decode(errors="replace"))
        return bool(shown)


def typed(command: Sequence[str], env: Mapping[str, str], answers: Mapping[str, str]) -> tuple[int, str]:
    """Run it, giving each answer once its question is seen; exit code and all that was shown."""
    with Terminal(command, env, Path.cwd()) as terminal:
        for question, answer in answers.items():
            terminal.until(question)
            terminal.type(answer)
        return terminal.end(), terminal.said
