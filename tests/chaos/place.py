"""An installation whose dispatchers are processes of their own, and whose runs write evidence."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import func, select

import skylift_process
from skylift import new_runs
from skylift.models.flows import DeploymentCreate, FlowCreate
from skylift.models.pools import PoolSettings, WorkPoolCreate, WorkQueueCreate
from skylift.models.runs import DeploymentRunCreate
from skylift.parts import Parts
from skylift.settings import Settings
from skylift.store import Tx, deployments, flows, pools
from skylift.store.tables import attempts, ended_attempts, flow_runs
from tests.chaos import evidence
from tests.chaos.dispatcher import Order
from tests.chaos.evidence import Asked, Line
from tests.chaos.forks import Host

ENDED = ("COMPLETED", "FAILED", "CANCELLED", "CRASHED")


def wait_until(what: str, ready: Callable[[], bool], seconds: float, every: float = 0.05) -> None:
    """Poll until it is so; AssertionError naming `what` after `seconds`."""
    until = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < until, f"not within {seconds:g} s: {what}"
        time.sleep(every)


class Place:
    """Parts of its own, to make things and to look at them; it dispatches nothing."""

    def __init__(self, url: str, folder: Path, *, api_url: str | None = None) -> None:
        self.folder = folder
        self.evidence = folder / "evidence"
        self.home = folder / "home"
        self.env = {"SKYLIFT_HOME": str(self.home), "SKYLIFT_DATABASE_URL": url}
        if api_url:
            self.env["SKYLIFT_API_URL"] = api_url
        options: dict[str, Any] = {"api_url": api_url} if api_url else {}
        self.parts = Parts.embedded(Settings(home=self.home, database_url=url, **options))
        self.asked: dict[str, Asked] = {}
        (folder / "work.sh").write_text(evidence.SCRIPT)
        (folder / "work.py").write_text(evidence.FUNCTION)

    @cached_property
    def host(self) -> Host:
        return Host(self.folder / "dispatchers.log", "tests.chaos.dispatcher")

    def close(self) -> None:
        if "host" in vars(self):
            self.host.close()
        self.parts.store.close()

    # -- making

    def pool(self, *, limit: int | None = None, **settings: Any) -> UUID:
        wanted = WorkPoolCreate(
            name="pool",
            type="process:push",
            base_job_template=skylift_process.PROVIDER.base_job_template(),
            concurrency_limit=limit,
            settings=PoolSettings(**settings),
        )
        made: UUID = self.parts.store.transaction(pools.create, wanted).id
        return made

    def queue(self, name: str, priority: int, limit: int | None = None) -> None:
        wanted = WorkQueueCreate(name=name, priority=priority, concurrency_limit=limit)
        self.parts.store.transaction(pools.create_queue, "pool", wanted)

    def deployment(
        self, name: str, *, lasts: float, limit: int | None = None, runner: bool = False, **values: Any
    ) -> UUID:
        flow, _ = self.parts.store.transaction(flows.create, FlowCreate(name="flow"))
        env = {"EVIDENCE": str(self.evidence), "LASTS": str(lasts)}
        variables: dict[str, Any] = {"env": env, "runner": runner}
        if runner:
            values = {"engine": "python", "entrypoint": "work.py:work", "path": str(self.folder)} | values
        else:
            values |= {"engine": "command"}
            variables["command"] = f"/bin/sh {self.folder}/work.sh"
        wanted = DeploymentCreate(
            name=name,
            flow_id=flow.id,
            work_pool_name="pool",
            concurrency_limit=limit,
            job_variables=variables,
            **values,
        )
        made: UUID = self.parts.store.transaction(deployments.upsert, wanted)[0].id
        return made

    def runs(self, count: int, deployment: UUID, queue: str = "default") -> list[UUID]:
        """Runs that are due now, in one transaction."""

        def work(tx: Tx) -> tuple[str, list[UUID]]:
            row = deployments.by_id(tx, deployment)
            wanted = DeploymentRunCreate(work_queue_name=queue)
            return row.name, [new_runs.of_deployment(tx, row, wanted)[0].id for _ in range(count)]

        name, made = self.parts.store.transaction(work)
        self.asked |= {str(run): Asked(queue, name) for run in made}
        return made

    def start(self, **order: Any) -> int:
        """A dispatcher; its pid."""
        return self.host.start("tests.chaos.dispatcher:run", **asdict(Order(env=self.env, **order)))

    def stop(self, pids: Iterable[int]) -> None:
        """End dispatchers as an operator would; they must not have died before."""
        codes = {pid: self.host.end(pid, signal.SIGTERM) for pid in pids}
        assert set(codes.values()) <= {0}, self.host.said()

    # -- looking

    def lines(self) -> list[Line]:
        return evidence.read(self.evidence)

    def cpu_seconds(self) -> float:
        """What the dispatchers that were stopped in good order used, without their children."""
        return sum(float(path.read_text()) for path in self.home.glob("cpu-*"))

    def states(self) -> dict[str, str]:
        with self.parts.store.reading() as tx:
            return {str(row.id): row.state_type for row in tx.all(select(flow_runs.c.id, flow_runs.c.state_type))}

    def unfinished(self) -> int:
        with self.parts.store.reading() as tx:
            query = select(func.count()).select_from(flow_runs).where(flow_runs.c.state_type.not_in(ENDED))
            return int(tx.conn.execute(query).scalar_one())

    def leftovers(self, *, processes: bool = True) -> list[str]:
        """What should be gone when all runs have ended: attempts, their folders, their processes."""
        with self.parts.store.reading() as tx:
            live = tx.all(select(attempts.c.id))
            unclean = tx.all(select(ended_attempts.c.id).where(ended_attempts.c.cleanup_at.is_not(None)))
        root = self.home / "process"
        folders = {path.name for path in root.iterdir()} - {"id", "removed"} if root.exists() else set()
        removed = os.listdir(root / "removed") if (root / "removed").exists() else []
        return [
            *(f"attempt {row.id}" for row in live),
            *(f"attempt {row.id}, which is not cleaned" for row in unclean),
            *(f"folder {name}" for name in sorted(folders)),
            *(f"half a removed folder {name}" for name in removed),
            *(f"process {pid}: {command}" for pid, command in (processes_of(self.folder) if processes else ())),
        ]

    def wait_for_end(self, seconds: float) -> None:
        """Until every run has ended and nothing is left of it."""
        wait_until("every run has ended", lambda: not self.unfinished(), seconds, 0.2)
        until = time.monotonic() + 120  # where a dispatcher was slow, cleaning up waits for its last launch
        while (left := self.leftovers()) and time.monotonic() < until:
            time.sleep(0.1)
        assert not left, "\n".join(left)


def processes_of(folder: Path) -> list[tuple[int, str]]:
    """Live processes of runs and their shims: those that name the folder in their command or their environment.

    Dispatchers, whose environment names it too, carry no attempt.
    """
    found = []
    mark = os.fsencode(folder)
    for name in os.listdir("/proc"):
        if not name.isdigit() or int(name) == os.getpid():
            continue
        try:
            command = Path(f"/proc/{name}/cmdline").read_bytes()
            environment = Path(f"/proc/{name}/environ").read_bytes()
        except OSError:
            continue
        if mark in command or (mark in environment and b"SKYLIFT_ATTEMPT=" in environment):
            found.append((int(name), command.replace(b"\0", b" ").decode(errors="replace")[:200]))
    return found


def state_letter(pid: int) -> str:
    """As in proc(5): R, S, T (stopped), Z …; empty where there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


@contextmanager
def open_place(url: str, folder: Path, **options: Any) -> Iterator[Place]:
    """A place that leaves nothing behind, also after a test that failed."""
    place = Place(url, folder, **options)
    try:
        yield place
    finally:
        place.close()
        for pid, _ in processes_of(folder):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
