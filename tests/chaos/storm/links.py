"""A piece of network that can be cut, held up and slowed: bytes between a port of its own and where they should go."""

from __future__ import annotations

import socket
import struct
import threading
import time
from contextlib import suppress
from typing import Literal, Self

Mode = Literal["open", "cut", "stall", "slow"]
"""cut: connections break, and new ones break at once. stall: nothing arrives until it is over, and never if whoever
sent it has hung up by then. slow: each piece takes its time."""
SLOWNESS = 0.15
"""Seconds a piece."""
PIECE = 1 << 16
Address = tuple[str, int] | str


class Link:
    """`target`: host and port, or the path of a Unix socket."""

    def __init__(self, target: Address) -> None:
        self.target = target
        self.mode: Mode = "open"
        self._flows = threading.Event()
        self._flows.set()
        self._ends: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._door = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port: int = self._door.getsockname()[1]

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.be("cut")
        self._door.close()

    def be(self, mode: Mode) -> None:
        self.mode = mode
        if mode == "stall":
            self._flows.clear()
        else:
            self._flows.set()
        if mode == "cut":
            with self._lock:
                ends, self._ends = self._ends, set()
            for each in ends:
                _reset(each)

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._door.accept()
            except OSError:
                return
            if self.mode == "cut":
                _reset(near)
                continue
            try:
                far = _connected(self.target)
            except OSError:
                _reset(near)
                continue
            with self._lock:
                self._ends |= {near, far}
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._pump, args=(source, sink), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(PIECE):
                if self.mode == "slow":
                    time.sleep(SLOWNESS)
                if not self._flows.is_set():
                    self._flows.wait()
                    if _has_hung_up(source):
                        break
                sink.sendall(data)
        with self._lock:
            self._ends -= {source, sink}
        for each in (source, sink):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()


def _connected(target: Address) -> socket.socket:
    if isinstance(target, tuple):
        return socket.create_connection(target, timeout=None)
    made = socket.socket(socket.AF_UNIX)
    try:
        made.connect(target)
    except OSError:
        made.close()
        raise
    return made


def _has_hung_up(end: socket.socket) -> bool:
    try:
        return end.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
    except BlockingIOError:
        return False


def _reset(end: socket.socket) -> None:
    """Without a word of farewell."""
    with suppress(OSError):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        end.shutdown(socket.SHUT_RDWR)
    end.close()
