"""Finds the points at which a process may die, by instrumentation alone: nobody lists them.

Points are right before and right after each commit of the store, each call of a provider, and each call of a
provisioner's resource; and before each change that a provider makes to the machine itself. The first name in it is the
place in Skylift that it was reached from.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable
from functools import wraps
from pathlib import Path
from types import FrameType
from typing import Any

from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine.default import DefaultDialect

from skylift import provider as port

ROOMS = ("skylift.", "skylift_")
BENEATH = ("skylift.store.engine", "skylift.store.prepared")
"""What every place goes through."""
ASKS_NOBODY = {"base_job_template", "read_event", "links", "package_environment"}
PORTS = (port.Provider, port.FindsStrays, port.ForwardsOutput)
CHANGES = {
    *("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink", "os.truncate", "os.kill"),
    *("os.posix_spawn", "os.fork", "subprocess.Popen", "shutil.rmtree"),
}
"""Python's audit events of what changes the machine; see its table of them."""


class Points:
    """Counts, and kills this process at its `strike`-th point, having noted its name in `trail`."""

    def __init__(self, trail: Path, strike: int | None = None) -> None:
        self.trail, self.strike = trail, strike
        self.names: list[str] = []
        self._lock = threading.Lock()
        self._quiet = threading.local()

    def reach(self, when: str, what: str) -> None:
        if getattr(self._quiet, "on", False):
            return
        with self._lock:
            self.names.append(f"{_place()}: {when} {what}")
            if len(self.names) == self.strike:
                self.write()
                os.kill(os.getpid(), signal.SIGKILL)

    def write(self) -> None:
        self._quiet.on = True
        self.trail.write_text("\n".join(self.names))

    def around(self, what: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, with a point before it and one after."""

        @wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            self.reach("before", what)
            try:
                return function(*args, **kwargs)
            finally:
                self.reach("after", what)

        return wrapped


def _place() -> str:
    """The innermost function of Skylift's own that is under way."""
    frame: FrameType | None = sys._getframe(2)
    while frame:
        module = str(frame.f_globals.get("__name__", ""))
        if module.startswith(ROOMS) and module not in BENEATH:
            return f"{module}.{frame.f_code.co_name}"
        frame = frame.f_back
    return "the test"


def at_commits(points: Points) -> None:
    """Of all databases of this process; transactions that only read have no points."""
    committing = threading.local()
    dialect: Any = DefaultDialect
    commit = dialect.do_commit

    def before(conn: Connection) -> None:
        committing.writes = bool(conn.get_execution_options().get("skylift_write"))
        if committing.writes:
            points.reach("before", "the commit")

    def do_commit(self: Any, dbapi_connection: Any) -> None:
        commit(self, dbapi_connection)
        if getattr(committing, "writes", False):
            committing.writes = False
            points.reach("after", "the commit")

    event.listen(Engine, "commit", before)
    dialect.do_commit = do_commit


def at_calls_of(points: Points, provider: port.Provider) -> None:
    """Of everything that the port lets it be asked."""
    for each in PORTS:
        for name, member in vars(each).items():
            if callable(member) and not name.startswith("_") and name not in ASKS_NOBODY and hasattr(provider, name):
                vars(provider)[name] = points.around(f"{provider.type} {name}", getattr(provider, name))


def at_methods(points: Points, kind: type, names: Iterable[str]) -> None:
    for name in names:
        setattr(kind, name, points.around(f"{kind.__name__}.{name}", getattr(kind, name)))


def at_changes_of_the_machine(points: Points, package: str) -> None:
    """Before each that comes straight from this package."""

    def hook(name: str, _: tuple[Any, ...]) -> None:
        if name in CHANGES:
            frame: FrameType | None = sys._getframe(1)
            while frame and not str(frame.f_globals.get("__name__", "")).startswith(ROOMS):
                frame = frame.f_back
            if frame and str(frame.f_globals["__name__"]).startswith(package):
                points.reach("before", name)

    sys.addaudithook(hook)
