"""The process that forks (host.py), from the outside."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PATIENCE = 90.0
"""Seconds that it may take to begin or to end: importing takes its time where others work as well."""


class Host:
    """`modules` are imported once for all children; what they print goes to `log`."""

    def __init__(self, log: Path, *modules: str) -> None:
        self.log = log
        with log.open("ab") as errors:
            self.process = subprocess.Popen(
                [sys.executable, str(Path(__file__).with_name("host.py")), *modules],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                cwd=ROOT,
            )
        self.ended: dict[int, int] = {}
        self._started: list[int] = []
        self._change = threading.Condition()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            word, *numbers = line.split()
            with self._change:
                if word == "started":
                    self._started.append(int(numbers[0]))
                else:
                    self.ended[int(numbers[0])] = int(numbers[1])
                self._change.notify_all()

    def start(self, call: str, **kwargs: Any) -> int:
        """The pid of a new child that calls this `module:function`."""
        assert self.process.stdin
        self.process.stdin.write(json.dumps({"call": call, "kwargs": kwargs}) + "\n")
        self.process.stdin.flush()
        with self._change:
            assert self._change.wait_for(lambda: bool(self._started), PATIENCE), self.log.read_text()
            return self._started.pop()

    def wait(self, pid: int, seconds: float) -> int | None:
        """A child's exit code, None where it goes on."""
        with self._change:
            self._change.wait_for(lambda: pid in self.ended, seconds)
            return self.ended.get(pid)

    def end(self, pid: int, number: int) -> int:
        """Signal a child and wait for its end; its exit code."""
        if pid not in self.ended:
            os.kill(pid, number)
        code = self.wait(pid, 60)
        assert code is not None, f"process {pid} does not end"
        return code

    def said(self, characters: int = 4000) -> str:
        """The last of what the children printed."""
        return self.log.read_text()[-characters:]

    def close(self) -> None:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.close()
        self.process.wait(PATIENCE)
        self._reader.join()
        self.process.stdout.close()
