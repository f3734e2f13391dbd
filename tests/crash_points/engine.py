"""What is killed at its points: the verbs, and those who call on them, from a run's beginning until nothing is left.

A process that goes on after one that was killed calls the very same. So do its users: senders deliver until they have
an answer, people ask until they are heard, and a runner repeats its words.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal, Protocol
from uuid import UUID

from sqlalchemy import Row, select

from skylift import admission, cleanup, new_runs, observe, schedule, webhook_keeping
from skylift import provider as port
from skylift.dispatch import dispatch
from skylift.errors import SkyliftError
from skylift.models.flows import DeploymentCreate, FlowCreate
from skylift.models.pools import WorkPoolCreate
from skylift.models.runs import DeploymentRunCreate, Ended
from skylift.models.states import TERMINAL, StateCreate, StateType
from skylift.models.webhooks import SignatureKind, WebhookCreate
from skylift.parts import Parts
from skylift.registry import Providers
from skylift.security.sealing import Sealer
from skylift.settings import Settings
from skylift.store import Store, Tx, deployments, due, flows, pools, proposals, webhooks
from skylift.store.tables import attempts, ended_attempts, flow_runs, schedule_slots, webhook_deliveries
from skylift.store.tables import deployments as deployments_table
from skylift.store.tables import due as due_table
from skylift.transitions import Author
from skylift.trigger import trigger
from skylift.webhooks.deliveries import Delivery
from skylift.webhooks.signatures import sign
from tests.crash_points import instruments
from tests.crash_points.file_cloud import Behaviour, Container, FileCloud

SECRET = "hunter2-hunter2-hunter2"
DELIVERY = b'{"order": 17}'
ROUND = 30.0
"""Seconds by which the clock is moved on between two rounds: half a lease."""
AFTER_A_KILL = 90.0
ROUNDS = 40


@dataclass(frozen=True)
class Cast:
    """A run, and what is to become of it."""

    comes: Literal["by schedule", "by webhook", "by hand"] = "by hand"
    behaves: Behaviour = "quick"
    runner: bool = False
    cancelled: bool = False
    ends: StateType = StateType.COMPLETED

    @property
    def may_run(self) -> set[int]:
        """How often its user code may have run, in the end."""
        if self.ends is StateType.COMPLETED:
            return {1}
        return {0, 1} if self.cancelled else {0}


@dataclass(frozen=True)
class Scenario:
    """Runs by name."""

    casts: Mapping[str, Cast]
    limit: int | None = None
    """Of the pool."""


SCENARIOS = {
    "a schedule": Scenario({"nightly": Cast("by schedule")}),
    "a delivery under the runner": Scenario({"hook": Cast("by webhook", runner=True)}),
    "a cancellation": Scenario({"endless": Cast(behaves="endless", cancelled=True, ends=StateType.CANCELLED)}),
    "a cancellation under the runner": Scenario(
        {"endless": Cast(behaves="endless", runner=True, cancelled=True, ends=StateType.CANCELLED)}
    ),
    "refusals": Scenario(
        {"throttled": Cast(behaves="throttled"), "rejected": Cast(behaves="rejected", ends=StateType.CRASHED)}
    ),
    "losses": Scenario({"lost": Cast(behaves="lost", runner=True), "no room": Cast(behaves="no room", runner=True)}),
    "one slot for two": Scenario({"first": Cast(), "second": Cast(runner=True)}, limit=1),
}


class KeptClock:
    """This machine's, and seconds beyond it that are kept in a file: the next process goes on from there."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.ahead = float(path.read_text()) if path.exists() else 0.0

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self.ahead)

    def advance(self, seconds: float) -> None:
        self.ahead += seconds
        self.path.write_text(str(self.ahead))


class Place(port.Provider, Protocol):
    """A provider, and the witness of what really ran in its place."""

    def variables(self, behaves: Behaviour) -> dict[str, Any]:
        """Job variables of a run that is to do so."""
        ...

    def runners(self) -> list[Container]:
        """Containers under the runner that are alive. Waits for what ends by itself."""
        ...

    def has_begun(self) -> bool:
        """Whether there is anything to be cancelled."""
        ...

    def run_user_code(self, container: Container) -> None: ...

    def end(self, container: Container, exit_code: int) -> None: ...

    def ran(self) -> Counter[str]:
        """How often each run's own code did."""
        ...

    def left(self) -> list[str]:
        """Of single attempts."""
        ...


@dataclass
class World:
    """One process's parts over a folder and a database, and everybody around them."""

    parts: Parts
    cloud: Place
    clock: KeptClock
    scenario: Scenario
    done: set[str] = field(default_factory=set)
    """What this process's users have had an answer to."""

    @classmethod
    def open(cls, url: str, folder: Path, scenario: Scenario, cloud: Place) -> World:
        clock = KeptClock(folder / "clock")
        settings = Settings(home=folder, launch_threads=1)
        store, providers = Store(url, clock=clock), Providers({cloud.type: cloud})
        parts = Parts(settings, store, providers, Sealer.from_settings(settings))
        return cls(parts, cloud, clock, scenario)

    # -- before anything begins

    def furnish(self) -> None:
        """A pool, and a deployment for each run; the schedules' only slots are due in a moment."""
        store = self.parts.store
        pool = WorkPoolCreate(
            name="pool",
            type=self.cloud.type,
            base_job_template=self.cloud.base_job_template(),
            concurrency_limit=self.scenario.limit,
        )
        store.transaction(pools.create, pool)
        flow, _ = store.transaction(flows.create, FlowCreate(name="flow"))
        for name, cast in self.scenario.casts.items():
            variables = self.cloud.variables(cast.behaves) | {"runner": cast.runner}
            wanted: dict[str, Any] = {"name": name, "flow_id": flow.id, "work_pool_name": "pool"}
            if cast.comes == "by schedule":
                at = self.clock.now() + timedelta(seconds=1)
                once = {"schedule": {"interval": 365 * 86400, "anchor_date": at.isoformat()}, "max_scheduled_runs": 1}
                wanted["schedules"] = [once]
            made = DeploymentCreate.model_validate({**wanted, "engine": "command", "job_variables": variables})
            deployment, _ = store.transaction(deployments.upsert, made)
            if cast.comes == "by webhook":
                hook = WebhookCreate(
                    name=name, deployment_id=deployment.id, kind=SignatureKind.GITHUB, secret=SECRET, template={}
                )
                webhook_keeping.create(self.parts, hook)

    # -- what goes on

    def play(self) -> None:
        """Rounds of everything, until there is nothing more to do; AssertionError where that never comes."""
        for turn in range(ROUNDS):
            schedule.schedule(self.parts)
            self.users_act()
            with self.parts.store.reading() as tx:
                waiting = due.pools_with_due_runs(tx)
            for pool in waiting:
                dispatch(self.parts, pool)
            for each in self.cloud.runners():
                self.runner_acts(each)
            observe.observe(self.parts)
            if turn % 4 == 3:
                cleanup.stop_strays(self.parts)
            if not self.unfinished():
                return
            self.clock.advance(ROUND)
        raise AssertionError(f"it does not come to an end: {self.unfinished()}")

    def users_act(self) -> None:
        for name, cast in self.scenario.casts.items():
            if cast.comes != "by schedule" and name not in self.done:
                self.deliver(name) if cast.comes == "by webhook" else self.order(name)
                self.done.add(name)
        for run in self.rows(flow_runs):
            cast = self.scenario.casts[self.name_of(run)]
            if cast.cancelled and run.state_type in ("PENDING", "RUNNING") and self.cloud.has_begun():
                wanted = StateCreate(type=StateType.CANCELLING)
                self.parts.store.transaction(proposals.propose, run.id, wanted, Author.PERSON)

    def deliver(self, name: str) -> None:
        with self.parts.store.reading() as tx:
            hook = webhooks.by_name(tx, name)
        headers = sign(SignatureKind.GITHUB, SECRET, DELIVERY, now=self.clock.now())
        trigger(self.parts, hook.id, Delivery(DELIVERY, {"content-type": "application/json", **headers}))

    def order(self, name: str) -> None:
        def work(tx: Tx) -> None:
            deployment = tx.one(select(deployments_table).where(deployments_table.c.name == name))
            assert deployment
            new_runs.of_deployment(tx, deployment, DeploymentRunCreate(name=name, idempotency_key=name))

        self.parts.store.transaction(work)

    def runner_acts(self, container: Container) -> None:
        """Its first word, the run's own code, its heartbeat, and its last word."""
        store, attempt = self.parts.store, UUID(container.attempt)
        try:
            store.transaction(admission.admit, self.parts.sealer, attempt, container.attempt, container.nonce)
            self.cloud.run_user_code(container)
            told = store.transaction(admission.heartbeat, attempt, container.attempt)
            wanted = {each["type"] for each in told["states"].values()}
            if container.behaves == "endless" and "CANCELLING" not in wanted:
                return
            outcome = "cancelled" if "CANCELLING" in wanted else "completed"
            store.transaction(admission.end, attempt, Ended(instance=container.attempt, outcome=outcome))
        except SkyliftError:
            pass  # it was given up, or its end was heard before
        self.cloud.end(container, 0)

    # -- what is looked at

    def rows(self, table: Any) -> list[Row[Any]]:
        with self.parts.store.reading() as tx:
            return tx.all(select(table))

    def unfinished(self) -> list[str]:
        runs = self.rows(flow_runs)
        return [
            *(f"{name} was not made" for name in self.scenario.casts.keys() - {self.name_of(run) for run in runs}),
            *(f"{self.name_of(run)} is {run.state_type}" for run in runs if run.state_type not in TERMINAL),
            *(f"attempt {each.id} holds a slot" for each in self.rows(attempts)),
            *(f"{each.flow_run_id} is due" for each in self.rows(due_table)),
            *(f"attempt {each.id} is not cleaned up" for each in self.rows(ended_attempts) if each.cleanup_at),
            *(f"the cloud has {each}" for each in self.cloud.left()),
        ]

    def name_of(self, run: Row[Any]) -> str:
        with self.parts.store.reading() as tx:
            return str(deployments.by_id(tx, run.deployment_id).name)

    def faults(self) -> list[str]:
        """Everything that is not as it should be once nothing is left to do."""
        found = self.unfinished()
        runs = {self.name_of(run): run for run in self.rows(flow_runs)}
        if len(self.rows(flow_runs)) != len(self.scenario.casts):
            found.append(f"there are {len(self.rows(flow_runs))} runs, not {len(self.scenario.casts)}")
        ran = self.cloud.ran()
        for name, run in runs.items():
            cast, times = self.scenario.casts[name], ran[str(run.id)]
            if run.state_type != cast.ends:
                found.append(f"{name} ended as {run.state_type}, not {cast.ends}")
            if times not in cast.may_run:
                found.append(f"the user code of {name} ran {times} times")
        for kind, table in (("by schedule", schedule_slots), ("by webhook", webhook_deliveries)):
            expected = sum(cast.comes == kind for cast in self.scenario.casts.values())
            made = [row for row in self.rows(table) if row.flow_run_id]
            if len(made) != expected:
                found.append(f"{table.name} has {len(made)} runs, not {expected}")
        return found


@dataclass(frozen=True)
class Stage:
    """See `enumeration.Stage`. `place`: makes what runs are pushed into, over a folder."""

    scenarios: Mapping[str, Scenario]
    place: Callable[..., Place]
    call: str
    """Where its play is: `module:function`."""

    def furnish(self, url: str, folder: Path, scenario: str) -> None:
        with self.opened(url, folder, scenario) as world:
            world.furnish()

    def go_on(self, folder: Path) -> None:
        """What lies between the kill and whoever goes on: long enough for a lease."""
        KeptClock(folder / "clock").advance(AFTER_A_KILL)

    def faults(self, url: str, folder: Path, scenario: str) -> list[str]:
        with self.opened(url, folder, scenario) as world:
            return world.faults()

    @contextmanager
    def opened(self, url: str, folder: Path, scenario: str, **options: Any) -> Iterator[World]:
        world = World.open(url, folder, self.scenarios[scenario], self.place(folder, **options))
        try:
            yield world
        finally:
            world.parts.store.close()

    def play(
        self, url: str, folder: str, scenario: str, trail: str, strike: int | None, package: str = "", **options: Any
    ) -> None:
        """To the end, or to the `strike`-th point. `package`: whose changes of this machine are points as well."""
        with self.opened(url, Path(folder), scenario, **options) as world:
            points = instruments.Points(Path(trail), strike)
            instruments.at_commits(points)
            instruments.at_calls_of(points, world.cloud)
            if package:
                instruments.at_changes_of_the_machine(points, package)
            world.play()
            points.write()


STAGE = Stage(SCENARIOS, FileCloud, f"{__name__}:play")
play = STAGE.play
