"""Where a dispatcher can be struck: every seam between two stages, and some in the midst of one.

A point is named after what has just happened when the signal comes.
"""

from __future__ import annotations

import random
import signal
import socket
import threading
import time
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

from skylift import dispatch, freezing, healing, launching, observe
from skylift.provider import Provider
from skylift.store import Store
from skylift_process import launcher
from skylift_process.adapter import ProcessProvider
from skylift_process.folder import AttemptFolder

Strike = Callable[[], None]

SEAMS: dict[str, tuple[Any, str, str]] = {
    # in a transaction, before its commit
    "claiming": (dispatch, "claim", "after"),
    "freezing": (freezing, "_freeze", "after"),
    "recording": (launching, "record", "after"),
    "taking over": (healing, "_take_over", "after"),
    "applying": (observe, "_apply", "after"),
    # between transactions
    "claimed": (dispatch, "_claim", "after"),
    "frozen": (dispatch, "freeze_all", "after"),
    "before the launch": (ProcessProvider, "launch", "before"),
    "launched": (ProcessProvider, "launch", "after"),
    "recorded": (launching.Launches, "settle", "after"),
    "taken to look at": (observe, "_take", "after"),
    "asked": (ProcessProvider, "status", "after"),
    "applied": (observe, "_follow", "after"),
    "before healing": (observe, "relaunch", "before"),
    "healed": (observe, "relaunch", "after"),
    "before cleaning": (ProcessProvider, "cleanup", "before"),
    "cleaned": (ProcessProvider, "cleanup", "after"),
    # inside a launch
    "folder prepared": (ProcessProvider, "_prepare", "after"),
    "shim spawned": (launcher.Launcher, "_spawn", "after"),
    "shim answered": (launcher.Launcher, "start", "after"),
    # inside a cleanup
    "removing": (AttemptFolder, "remove", "before"),
}
IN_REQUEST = "half of the request sent"
ANY_TIME = "any time"
POINTS = [*SEAMS, IN_REQUEST, ANY_TIME]
IN_TRANSACTION = {"claiming", "freezing", "recording", "taking over", "applying"}


def arm(
    provider: Provider, store: Store, *, point: str, turn: int = 1, signal: int = signal.SIGKILL, delay: float = 0.0
) -> None:
    """Have this process struck when it comes to the point for the `turn`-th time (`delay` seconds on, at any time)."""
    strike = _counted(turn, signal, store)
    if point == ANY_TIME:
        threading.Thread(target=_after, args=(delay, strike), daemon=True).start()
    elif point == IN_REQUEST:
        vars(launcher)["socket"] = _Sockets(strike)
    else:
        place, name, when = SEAMS[point]
        setattr(place, name, _wrap(getattr(place, name), strike, when))


def _counted(turn: int, number: int, store: Store) -> Strike:
    left = [turn]
    lock = threading.Lock()
    # One that is paused while another of its threads writes would keep all others from writing to the file.
    moment = store._turn if number == signal.SIGSTOP else nullcontext()

    def strike() -> None:
        with lock:
            left[0] -= 1
            if left[0] == 0:
                with moment:
                    # To this very thread: sent to the process, a SIGSTOP may be taken by another, and this one goes on.
                    signal.pthread_kill(threading.get_ident(), number)

    return strike


def _after(delay: float, strike: Strike) -> None:
    time.sleep(delay)
    strike()


def _wrap(function: Callable[..., Any], strike: Strike, when: str) -> Callable[..., Any]:
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        if when == "before":
            strike()
        result = function(*args, **kwargs)
        if when == "after":
            strike()
        return result

    return wrapped


class _Sockets:
    """Stands in for the module `socket` in the launcher: pairs whose first end is struck in the midst of sending."""

    def __init__(self, strike: Strike) -> None:
        self.strike = strike

    def __getattr__(self, name: str) -> Any:
        return getattr(socket, name)

    def socketpair(self) -> tuple[socket.socket, socket.socket]:
        ours, theirs = socket.socketpair()
        return _HalfSender(ours, self.strike), theirs


class _HalfSender(socket.socket):
    def __init__(self, end: socket.socket, strike: Strike) -> None:
        super().__init__(end.family, end.type, end.proto, end.detach())
        self.strike = strike

    def sendall(self, data: Any, flags: int = 0, /) -> None:
        middle = len(data) // 2
        super().sendall(data[:middle], flags)
        self.strike()
        super().sendall(data[middle:], flags)


def at_random(chance: random.Random) -> dict[str, object]:
    """An order's `strike`: some point, at its first, second or third turn."""
    point = chance.choice(POINTS)
    return {"point": point, "turn": chance.choice((1, 1, 2, 3)) if point != ANY_TIME else 1, "delay": chance.random()}
