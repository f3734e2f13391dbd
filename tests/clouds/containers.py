"""Where the local clouds really run things: a container is a local process with exactly the environment, arguments and
secrets that its cloud was given, in a folder of its own.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
IMAGE_PATH = f"{ROOT / '.venv-prefect' / 'bin'}:/usr/local/bin:/usr/bin:/bin"
"""In every image: Prefect's own Python as `python`, and the machine's tools."""
LOOK_EVERY = 0.05
NO_SUCH_COMMAND = 127


@dataclass
class Container:
    """One process group, and what became of it."""

    id: str
    command: list[str]
    env: dict[str, str]
    memory: int | None
    folder: Path
    process: subprocess.Popen[bytes] | None = None
    lines: list[tuple[datetime, str]] = field(default_factory=list)
    started_at: datetime | None = None
    ended_at: datetime | None = None
    exit_code: int | None = None
    """128 + N where signal N ended it."""
    out_of_memory: bool = False
    over: threading.Event = field(default_factory=threading.Event)

    @property
    def is_alive(self) -> bool:
        return not self.over.is_set()

    def signal(self, number: int) -> None:
        if self.process and self.is_alive:
            try:
                os.killpg(self.process.pid, number)
            except ProcessLookupError:
                pass

    def stop(self, grace: float) -> None:
        """TERM, and KILL after `grace` seconds, as container engines do; returns at once."""
        self.signal(signal.SIGTERM)
        threading.Thread(target=self._force, args=(grace,), daemon=True).start()

    def _force(self, grace: float) -> None:
        if not self.over.wait(grace):
            self.signal(signal.SIGKILL)


class Containers:
    """Starts containers and knows all that ever were."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="cloud-"))
        self._lock = threading.Lock()
        self.all: dict[str, Container] = {}

    def start(
        self,
        id: str,  # noqa: A002
        command: Sequence[str],
        env: Mapping[str, str],
        *,
        memory: int | None = None,
        on_end: Callable[[Container], None] = lambda container: None,
    ) -> Container:
        """`memory` is in bytes: a container that uses more is killed, and says so. Never raises: a command that is not
        there ends with 127, as in a shell."""
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        base = {"PATH": IMAGE_PATH, "HOME": str(folder), "LANG": "C.UTF-8", "PYTHONUNBUFFERED": "1"}
        made = Container(id, list(command), {**base, **env}, memory, folder)
        with self._lock:
            self.all[id] = made
        threading.Thread(target=self._run, args=(made, on_end), daemon=True).start()
        return made

    def alive(self) -> list[Container]:
        with self._lock:
            return [each for each in self.all.values() if each.is_alive]

    def close(self) -> None:
        """Kill what runs, and remove all folders."""
        for each in self.alive():
            for _ in range(100):  # one that was just started may have no process to kill yet
                each.signal(signal.SIGKILL)
                if each.over.wait(0.05):
                    break
        shutil.rmtree(self.folder, ignore_errors=True)

    def _run(self, made: Container, on_end: Callable[[Container], None]) -> None:
        made.started_at = datetime.now(UTC)
        try:
            made.process = subprocess.Popen(
                made.command,
                env=made.env,
                cwd=made.folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            made.lines.append((datetime.now(UTC), f"{made.command[0]}: {error.strerror}"))
            self._ended(made, NO_SUCH_COMMAND, on_end)
            return
        if made.memory:
            threading.Thread(target=self._watch_memory, args=(made,), daemon=True).start()
        assert made.process.stdout
        for line in made.process.stdout:
            made.lines.append((datetime.now(UTC), line.decode(errors="replace").rstrip("\n")))
        code = made.process.wait()
        made.process.stdout.close()
        self._ended(made, code if code >= 0 else 128 - code, on_end)

    def _ended(self, made: Container, code: int, on_end: Callable[[Container], None]) -> None:
        made.exit_code, made.ended_at = code, datetime.now(UTC)
        made.over.set()
        on_end(made)
        shutil.rmtree(made.folder, ignore_errors=True)

    def _watch_memory(self, made: Container) -> None:
        assert made.process
        while not made.over.wait(LOOK_EVERY):
            if made.memory and group_memory(made.process.pid) > made.memory:
                made.out_of_memory = True
                made.signal(signal.SIGKILL)
                return


def group_memory(group: int) -> int:
    """Resident bytes of a process group."""
    total = 0
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                fields = Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[2]) == group:
                total += int(fields[21]) * os.sysconf("SC_PAGE_SIZE")
    return total


def wait_until(look: Callable[[], bool], patience: float = 10.0) -> bool:
    """Look until it is so; says whether it came to be."""
    until = time.monotonic() + patience
    while not (so := look()) and time.monotonic() < until:
        time.sleep(0.02)
    return so


assert sys.platform == "linux", "the local clouds read /proc"
