"""The conductor of a storm: starts everybody, breaks things by the plan, keeps processes up as an operator's supervisor
would, waits until it is calm, and has it all written down."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import select

from skylift.store import Store
from skylift.store.tables import attempts, due, ended_attempts, flow_run_timeline
from tests.chaos.forks import Host
from tests.chaos.place import processes_of
from tests.chaos.service import free_port
from tests.chaos.storm import clouds as local_clouds
from tests.chaos.storm import history, plan
from tests.chaos.storm.clouds import Cloud
from tests.chaos.storm.database import Database
from tests.chaos.storm.links import Link
from tests.chaos.storm.members import __name__ as MEMBERS  # noqa: N812 - where their functions are
from tests.chaos.storm.plan import API, DATABASE, DISPATCHERS, Act, Fault
from tests.chaos.storm.users import SECRET, SIGNING, Users

STEP = 0.05
TICKS = 5.0
"""Seconds, several ticks of the timer: what a dispatcher owes the schedules by now is made before they are ended."""
CALM = 600.0
"""Seconds that everything may take to come to its end."""


@dataclass
class Member:
    """A process that is kept up."""

    call: str
    kwargs: dict[str, Any]
    pid: int = 0
    is_down: bool = False
    """On purpose."""


@dataclass
class Storm:
    """Over a folder of its own."""

    seed: int
    folder: Path
    host: Host
    database: Database
    api_link: Link
    users: Users
    clouds: Mapping[str, Cloud]
    members: dict[str, Member] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)
    begun: int = 0
    """Faults, of those that were planned."""
    restarts: int = 0
    """Of processes that ended by themselves."""

    def __post_init__(self) -> None:
        self.chance = random.Random(f"machines {self.seed}")

    # -- processes

    def start(self, name: str, ahead: float = 0.0) -> None:
        member = self.members[name]
        member.pid = self.host.start(member.call, **member.kwargs, ahead=ahead)
        member.is_down = False

    def supervise(self) -> None:
        for name, member in self.members.items():
            if not member.is_down and member.pid in self.host.ended:
                self.restarts += 1
                self.start(name)

    def signal(self, name: str, number: int) -> None:
        try:
            os.kill(self.members[name].pid, number)
        except ProcessLookupError:
            pass

    # -- faults

    def begin(self, fault: Fault) -> Callable[[], None]:
        """Do it; what ends it is given back."""
        match fault.kind:
            case "kill" | "kill the API":
                return self._kill(fault)
            case "pause" | "pause the API":
                self.signal(fault.target, signal.SIGSTOP)
                return lambda: self.signal(fault.target, signal.SIGCONT)
            case "cut" | "stall" | "slow":
                link = self._link(fault.target)
                link.be(fault.kind)
                return lambda: link.be("open")
            case "kill the database":
                self.database.kill()
                return self.database.start
            case "pause the database":
                self.database.pause()
                return self.database.go_on
            case "lose a machine":
                self.lost.append(self.clouds[fault.target].lose_a_machine(self.chance))
                return lambda: None
            case "throttle" | "no_room" | "break" | "lose_answer" | "delay":
                mischief = self.clouds[fault.target].mischief
                mischief.chance(fault.kind, fault.value)
                return mischief.behave
            case _:
                raise AssertionError(fault.kind)

    def _kill(self, fault: Fault) -> Callable[[], None]:
        member = self.members[fault.target]
        member.is_down = True
        if member.pid not in self.host.ended:
            self.host.end(member.pid, signal.SIGKILL)
        return lambda: self.start(fault.target, fault.value)

    def _link(self, name: str) -> Link:
        return {API: self.api_link, DATABASE: self.database.link}.get(name) or self.clouds[name].link

    # -- the course of it

    def blow(self, faults: list[Fault], acts: list[Act], seconds: float) -> None:
        """Everything at its time."""
        began = time.monotonic()
        ends: list[tuple[float, Callable[[], None]]] = []
        faults, acts = [*faults], [*acts]
        while (now := time.monotonic() - began) < seconds:
            for at, end in [each for each in ends if each[0] <= now]:
                ends.remove((at, end))
                end()
            while acts and acts[0].at <= now:
                self.users.act(acts.pop(0))
            while faults and faults[0].at <= now:
                fault = faults.pop(0)
                ends.append((now + fault.lasts, self.begin(fault)))
                self.begun += 1
            self.supervise()
            time.sleep(STEP)
        for _, end in ends:
            end()
        for act in acts:  # where this machine was too slow for its plan
            self.users.act(act)

    def calm_down(self) -> float:
        """Nothing is broken any more: wait until everything is done; how long that took (s)."""
        began = time.monotonic()
        self.wait(self.users.are_answered)
        settled = time.monotonic() + TICKS
        self.wait(lambda: time.monotonic() > settled)
        self.users.end_schedules()
        self.wait(self.users.have_all_answers)
        self.users.asked["until"] = datetime.now(UTC).isoformat()
        store = Store(self.database.url)
        self.wait(lambda: not self._unfinished(store))
        with store.reading() as tx:
            runs_of = {str(row.attempt_id): str(row.flow_run_id) for row in tx.all(select(flow_run_timeline))}
        self.users.steal(self.folder / "tokens", runs_of)
        took = time.monotonic() - began
        for name, member in self.members.items():
            member.is_down = True
            code = self.host.end(member.pid, signal.SIGTERM)
            assert code in (0, -signal.SIGTERM), f"{name} ended with {code}\n{self.host.said()}"
        self._record(store)
        store.close()
        return took

    def wait(self, so: Callable[[], bool]) -> None:
        """Until it is so, or for `CALM`; who dies meanwhile is started again."""
        until = time.monotonic() + CALM
        while not so() and time.monotonic() < until:
            self.supervise()
            time.sleep(0.2)

    def _unfinished(self, store: Store) -> bool:
        with store.reading() as tx:
            waiting = select(due.c.flow_run_id).where(due.c.due_at <= tx.now)
            unclean = select(ended_attempts.c.id).where(ended_attempts.c.cleanup_at.is_not(None))
            if any(tx.one(each) for each in (waiting, select(attempts.c.id), unclean)):
                return True
        return any(self._left().values())

    def _left(self) -> dict[str, list[str]]:
        here = [command for pid, command in processes_of(self.folder) if f"{self.folder}/work" in command]
        return {**{name: each.ground.leftovers() for name, each in self.clouds.items()}, "this machine": here}

    def _record(self, store: Store) -> None:
        shown = {f"what {name} shows": each.journal.shown() for name, each in self.clouds.items()}
        history.record(
            store,
            self.folder,
            asked=self.users.asked,
            witness={"left": self._left(), "lost": [each for each in self.lost if each]},
            secrets=[SECRET, SIGNING],
            said={**shown, "processes": self.host.log.read_text()},
        )


@contextmanager
def opened(seed: int, folder: Path, clouds: tuple[str, ...], *, bug: str = "") -> Iterator[Storm]:
    """Everything is up, in fair weather: a pool in each cloud, and one on this machine."""
    with ExitStack() as stack:
        database = Database()
        stack.callback(database.close)
        database.migrate()
        stack.enter_context(database.link)
        found = {each.name: each for each in stack.enter_context(local_clouds.opened(clouds))}
        home = folder / "home"
        home.mkdir()
        port = free_port()
        api_link = stack.enter_context(Link(("127.0.0.1", port)))
        url = f"http://127.0.0.1:{api_link.port}"
        env = {
            "SKYLIFT_HOME": str(home),
            "SKYLIFT_DATABASE_URL": database.linked_url,
            "SKYLIFT_API_URL": f"{url}/api",
            **{name: value for each in found.values() for name, value in each.ground.environment.items()},
        }
        host = Host(folder / "processes.log", MEMBERS, *([f"{__package__}.sdks"] if clouds else []))
        stack.callback(_end_all_of, folder)
        stack.callback(host.close)
        users = Users(url, folder, seed)
        stack.callback(users.close)
        storm = Storm(seed, folder, host, database, api_link, users, found)
        tokens = str(folder / "tokens")
        storm.members[API] = Member(f"{MEMBERS}:api", {"env": env, "port": port, "tokens": tokens})
        storm.start(API)
        storm.wait(users.are_answered)
        users.furnish({"here": None, **{name: each.ground for name, each in found.items()}})
        for name in DISPATCHERS:
            storm.members[name] = Member(f"{MEMBERS}:dispatcher", {"env": env, "bug": bug})
            storm.start(name)
        yield storm


def planned(
    seed: int, seconds: float, clouds: tuple[str, ...], folder: Path, *, act_every: float = plan.ACT_EVERY
) -> tuple[list[Fault], list[Act]]:
    """The plan, which is also written into the folder."""
    faults = plan.faults(seed, seconds, clouds)
    acts = plan.acts(seed, seconds, ("here", *clouds), each_every=act_every)
    lines = [*map(asdict, faults), *map(asdict, acts)]
    (folder / "plan.json").write_text("\n".join(json.dumps(each) for each in lines))
    return faults, acts


def _end_all_of(folder: Path) -> None:
    for pid, _ in processes_of(folder):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
