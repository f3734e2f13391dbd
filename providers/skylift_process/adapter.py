"""The `process:push` provider: each attempt is a local process under a shim of its own (`shim.py`).

What another process of the service would need to know is in the attempts' folders, never in this object.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import platformdirs

from skylift.provider import Launch, Observation, Quota, Unreachable, Watched
from skylift_process import request, shim
from skylift_process.errors import to_error
from skylift_process.folder import REMOVED, AttemptFolder, remove_tree
from skylift_process.launcher import Launcher
from skylift_process.observe import observe_attempt
from skylift_process.output import Output
from skylift_process.processes import send_verified

FORGOTTEN = 86_400.0
"""Seconds after which a folder goes that belongs to nobody: a stop for what was never launched, or was cleaned up."""
OVERDUE = 30.0
"""Seconds past the grace after which a shim that does not end its child is itself killed."""


class ProcessProvider:
    """Runs flow runs as processes of this machine, under this user."""

    type = "process:push"
    display_name = "Process (push)"
    description = "Runs each flow run as a process on the machine that Skylift itself runs on."
    call_timeout = 15.0
    look_every = 1.0
    python = sys.executable
    stops_softly = True
    remembers_stops = True

    def __init__(self, root: Path | None = None) -> None:
        """`root`: where the attempts' folders are kept; by default `process` in SKYLIFT_HOME."""
        self.given_root = root
        self.launcher = Launcher()

    @property
    def root(self) -> Path:
        return self.given_root or default_root()

    def base_job_template(self) -> dict[str, Any]:
        text = (Path(__file__).parent / "base_job_template.json").read_text()
        template: dict[str, Any] = json.loads(text)
        return template

    def quota(self, configuration: Mapping[str, Any]) -> Quota | None:
        return None

    def launch(self, launch: Launch) -> str:
        left = min(self.call_timeout, launch.send_before - time.monotonic())
        deadline = shim.boot_time() + int(left * 1e9)
        configuration = request.read_configuration(launch.configuration)
        env = request.child_environment(configuration, launch.attempt_id, os.environ)
        folder = self._folder(launch.attempt_id)
        fresh = str(folder / "work")
        working_dir = request.resolve_working_dir(configuration, env, fresh)
        command = configuration.command
        try:
            if not folder.read_started():
                self._prepare(folder, launch, configuration, working_dir, deadline)
                encoded = request.encode_request(command, env, working_dir, deadline, configuration.timeout_seconds)
                word = self.launcher.start(folder.path, encoded, deadline)
                self._judge(word, folder, command[0], working_dir)
            exited = folder.read_exit()
        except TimeoutError:
            raise slow(launch.attempt_id) from None
        except OSError as error:
            raise to_error("state", error.errno or 0, command[0], working_dir) from error
        if exited and exited.failed_step:
            raise to_error(*exited.failed_step, command[0], working_dir)
        return self._handle(launch.attempt_id)

    def status(self, watched: Sequence[Watched]) -> Mapping[UUID, Observation]:
        self.launcher.reap()
        found: dict[UUID, Observation] = {}
        elsewhere = 0
        for one in watched:
            if not self._is_here(one):
                elsewhere += 1
                continue
            handle = self._handle(one.attempt_id)
            found[one.attempt_id] = observe_attempt(self._folder(one.attempt_id), handle)
        if elsewhere and not found:
            raise elsewhere_error(watched[0].attempt_id)
        return found

    def stop(self, watched: Watched, grace: float) -> None:
        if not self._is_here(watched):
            raise elsewhere_error(watched.attempt_id)
        folder = self._folder(watched.attempt_id)
        try:
            if folder.read_exit():
                return
            folder.create()
            now = datetime.now(UTC)
            marked = folder.read_stop()
            if marked is None or grace < marked[0]:
                folder.write_stop(grace, marked[1] if marked else now)
        except OSError as error:
            raise to_error("state", error.errno or 0, "", "") from error
        started = folder.read_started()
        if started and started.boot == shim.boot_id():
            overdue = marked is not None and (now - marked[1]).total_seconds() > marked[0] + OVERDUE
            send_verified(*started.shim, signal.SIGKILL if overdue else signal.SIGTERM)

    def logs(self, watched: Watched, last: int) -> list[str]:
        return Output(self._folder(watched.attempt_id).path).last(last)

    def output_since(self, watched: Watched, offset: int) -> tuple[list[tuple[datetime, str]], int]:
        """See `skylift.provider.ForwardsOutput`; one call reads about a megabyte at most."""
        folder = self._folder(watched.attempt_id)
        ended = folder.read_exit() is not None
        return Output(folder.path).lines(offset, ended=ended)

    def cleanup(self, watched: Watched) -> None:
        folder = self._folder(watched.attempt_id)
        self.launcher.reap()
        if observe_attempt(folder, "").phase not in ("ended", "gone"):
            raise Unreachable(
                f"The attempt {watched.attempt_id} is held by a process that has yet to see that it is not to start.",
                remedy="It is over in a moment; the cleaning is tried again by itself.",
            )
        folder.remove()

    def package_environment(self) -> dict[str, str]:
        """See `skylift.provider.KeepsPackages`."""
        settings = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
        return {**settings, "SKYLIFT_PACKAGES": str(self.root.parent / "packages")}

    def list_attempts(self, installation_id: UUID, configuration: Mapping[str, Any]) -> Sequence[Watched]:
        """See `skylift.provider.FindsStrays`. Also finishes removals that were cut short."""
        remove_tree(self.root / REMOVED)
        found = []
        for attempt_id in self._attempt_ids():
            folder = self._folder(attempt_id)
            record = folder.read_launch()
            if record is None and folder.age() > FORGOTTEN:
                folder.remove()
            if record and record.get("installation_id") == str(installation_id):
                found.append(Watched(attempt_id, self._handle(attempt_id), {}))
        return found

    def _prepare(
        self,
        folder: AttemptFolder,
        launch: Launch,
        configuration: request.Configuration,
        working_dir: str,
        deadline: int,
    ) -> None:
        folder.create()
        earlier = folder.read_launch() or {}
        same_boot = earlier.get("boot") == shim.boot_id()
        folder.write_launch(
            {
                "installation_id": str(launch.installation_id),
                "flow_run_id": str(launch.flow_run_id),
                "claimed_at": launch.claimed_at.isoformat(),
                "name": configuration.name,
                "program": configuration.command[0],
                "working_dir": working_dir,
                "labels": configuration.labels,
                "boot": shim.boot_id(),
                "deadline": max(deadline, earlier.get("deadline", 0) if same_boot else 0),
            }
        )
        if not configuration.working_dir:
            (folder / "work").mkdir(mode=0o700, exist_ok=True)

    def _judge(self, word: str, folder: AttemptFolder, command: str, working_dir: str) -> None:
        """Return where the word leaves nothing to complain of."""
        match word.split():
            case ["started" | "stopped"]:
                return
            case ["failed", step, number]:
                raise to_error(step, int(number), command, working_dir)
            case ["late" | "busy"]:
                raise slow(folder.attempt_id)
            case _ if folder.read_started():
                return
            case _:
                raise Unreachable(
                    f"The process that was to watch over attempt {folder.attempt_id} ended without a word.",
                    remedy="See whether the machine is short of memory, or something ends its processes.",
                )

    def _folder(self, attempt_id: UUID) -> AttemptFolder:
        return AttemptFolder(self.root, attempt_id)

    def _attempt_ids(self) -> Iterator[UUID]:
        try:
            names = os.listdir(self.root)
        except FileNotFoundError:
            return
        for name in names:
            try:
                yield UUID(name)
            except ValueError:
                continue

    def _handle(self, attempt_id: UUID) -> str:
        """With the state folder's own id, so that a service on another machine does not take it for gone."""
        return f"{place_id(self.root)}/{attempt_id}"

    def _is_here(self, watched: Watched) -> bool:
        return watched.handle in (None, self._handle(watched.attempt_id))


def elsewhere_error(attempt_id: UUID) -> Unreachable:
    return Unreachable(
        f"The attempt {attempt_id} belongs to a service with another state folder, or on another machine.",
        remedy="Serve a process pool from one machine, and keep its SKYLIFT_HOME.",
    )


def slow(attempt_id: UUID) -> Unreachable:
    return Unreachable(
        f"The attempt {attempt_id} was not started within {ProcessProvider.call_timeout:g} s.",
        remedy="See whether the machine is overloaded; lower the pool's concurrency limit if it is.",
    )


def default_root() -> Path:
    """`process` in SKYLIFT_HOME, or else in the user's data folder."""
    home = os.environ.get("SKYLIFT_HOME")
    return (Path(home).expanduser() if home else platformdirs.user_data_path("skylift")).absolute() / "process"


@cache
def place_id(root: Path) -> str:
    """Twelve hexadecimal digits that name this state folder; made when it is first used."""
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not (root / "id").exists():
        fd, temporary = tempfile.mkstemp(prefix=".id-", dir=root)
        with os.fdopen(fd, "w") as file:
            file.write(uuid4().hex[:12])
        try:
            os.link(temporary, root / "id")
        except (FileExistsError, FileNotFoundError):
            pass  # another was quicker, and has swept ours away
    for left in root.glob(".id-*"):  # ours, and of those who were killed over theirs
        left.unlink(missing_ok=True)
    return (root / "id").read_text()
