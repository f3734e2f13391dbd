"""Starting a shim and hearing its first word, and collecting the shims that have ended."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path

from skylift_process import shim

REAP_EVERY = 0.5
"""Seconds between two looks for ended shims; between them a few zombies may wait."""
BOOT = "import sys; sys.path.insert(0, sys.argv[1]); import shim; shim.main(sys.argv[2])"
"""By import and not as a script: a script is compiled again each time, for a third of the shim's start."""
RESET = (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE)


class Launcher:
    """The shims that this process started. Safe to use from many threads.

    They are plain children, not orphans by a double fork: as the first process of a container the service
    would inherit those without knowing them. When the service dies, they live on.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.children: set[int] = set()
        self.reap_at = 0.0

    def start(self, folder: Path, encoded: bytes, deadline: int) -> str:
        """The shim's word: started, stopped, busy, late, `failed STEP ERRNO`; empty where there was none.

        Raises OSError where no process could be made, `TimeoutError` where none answered before `deadline`.
        """
        self.reap()
        ours, theirs = socket.socketpair()
        with ours, theirs:
            pid = self._spawn(folder, theirs)
            theirs.close()
            with self.lock:
                self.children.add(pid)
            remaining = (deadline - shim.boot_time()) / 1e9
            ours.settimeout(max(remaining, 0.001) + 1)  # the shim itself gives up at the deadline, and says so
            try:
                ours.sendall(encoded)
                ours.shutdown(socket.SHUT_WR)
                return ours.recv(256).decode()
            except (BrokenPipeError, ConnectionResetError):
                return ""

    def _spawn(self, folder: Path, stdin: socket.socket) -> int:
        """An empty environment: the shim passes on what the request says and nothing else."""
        python = sys.executable
        arguments = [python, "-I", "-S", "-c", BOOT, str(Path(shim.__file__).parent), str(folder)]
        actions = [
            (os.POSIX_SPAWN_DUP2, stdin.fileno(), 0),
            (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
            (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
        ]
        return os.posix_spawn(python, arguments, {}, file_actions=actions, setsid=True, setsigmask=(), setsigdef=RESET)

    def reap(self) -> None:
        with self.lock:
            now = time.monotonic()
            if now < self.reap_at:
                return
            self.reap_at = now + REAP_EVERY
            for pid in list(self.children):
                try:
                    ended = os.waitpid(pid, os.WNOHANG)[0]
                except ChildProcessError:
                    ended = pid
                if ended:
                    self.children.discard(pid)
