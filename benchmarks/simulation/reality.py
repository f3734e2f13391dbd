"""The real thing: dispatchers as processes over one PostgreSQL, and what they take."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg

from benchmarks import postgres
from benchmarks.peers import processes
from benchmarks.simulation.costs import Cost, Costs, Phase
from skylift.ids import new_id
from skylift.models.flows import DeploymentCreate, FlowCreate
from skylift.models.pools import WorkPoolCreate
from skylift.models.states import StateType, make_state
from skylift.store import Store, Tx, deployments, flows, pools, runs
from tests.support.cloud import TEMPLATE, Cloud

ROOT = Path(__file__).parents[2]
PER_TRANSACTION = 500
STEPS = ("claim", "freeze", "record")


@dataclass(frozen=True, slots=True)
class Trial:
    """So many dispatchers, over so many pools with so many runs in all, all due; a provider that takes `latency`."""

    dispatchers: int
    pools: int
    runs: int
    latency: float


@dataclass(frozen=True, slots=True)
class Outcome:
    seconds: float
    """Until the last dispatcher found nothing more to do."""
    cpu: float
    """Seconds, of all dispatchers."""
    database: float
    """CPU seconds, of PostgreSQL."""
    samples: dict[str, list[tuple[int, float, float]]]


class Ground:
    """A PostgreSQL; each trial has a new database in it."""

    def __init__(self, server: str) -> None:
        self.server = server
        self.number = 0
        with psycopg.connect(f"{server}/postgres") as conn:
            backend = conn.info.backend_pid
        self.postmaster = int(Path(f"/proc/{backend}/stat").read_text().rpartition(")")[2].split()[1])

    def run(self, trial: Trial, *, timed: bool = False) -> Outcome:
        """Raises `RuntimeError` where not every run was launched once."""
        self.number += 1
        url = postgres.create(self.server, f"trial_{self.number}")
        _fill(url, trial)
        with ExitStack() as stack:
            started = [stack.enter_context(_dispatcher(url, trial, turn, timed)) for turn in range(trial.dispatchers)]
            for each in started:
                assert each.stdout
                assert each.stdout.readline() == "ready\n"
            before, began = processes.use_of([self.postmaster]), time.perf_counter()
            for each in started:
                assert each.stdin
                each.stdin.write("go\n")
                each.stdin.flush()
            told = [json.loads(each.stdout.readline()) for each in started if each.stdout]
            seconds = time.perf_counter() - began
        database = processes.use_of([self.postmaster]).since(before)
        launched = sum(each["launched"] for each in told)
        if launched != trial.runs:
            raise RuntimeError(f"{launched} of {trial.runs} runs were launched")
        return Outcome(seconds, sum(each["cpu"] for each in told), database, told[0]["samples"])


def costs_of(outcome: Outcome, runs: int) -> Costs:
    """From a trial with one dispatcher that was timed.

    Of the time that the dispatcher waits in a step, the same share is PostgreSQL's CPU in all of them. What the
    dispatcher computed beside all steps is added to its launches.
    """
    waited = sum(took - cpu for name in STEPS for _, cpu, took in outcome.samples[name])
    share = min(1.0, outcome.database / waited)
    phases = {}
    for name in STEPS:
        samples = [each for each in outcome.samples[name] if each[0]]
        waiting = Cost.fitted([(size, max(0.0, took - cpu)) for size, cpu, took in samples])
        own = Cost.fitted([(size, cpu) for size, cpu, _ in samples])
        phases[name] = Phase(own, waiting.times(share), waiting.times(1 - share))
    known = sum(cpu for name in STEPS for _, cpu, _ in outcome.samples[name])
    return Costs(phases["claim"], phases["freeze"], phases["record"], (outcome.cpu - known) / runs)


def _dispatcher(url: str, trial: Trial, turn: int, timed: bool) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "benchmarks.simulation.dispatcher", url, str(trial.latency), str(turn)]
    flag = ["--timed"] if timed else []
    return subprocess.Popen([*command, *flag], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _fill(url: str, trial: Trial) -> None:
    store = Store(url)
    store.migrate()
    flow_id = store.transaction(flows.create, FlowCreate(name="flow"))[0].id
    share = trial.runs // trial.pools
    for number in range(trial.pools):
        name = f"pool-{number}"
        store.transaction(pools.create, WorkPoolCreate(name=name, type=Cloud.type, base_job_template=TEMPLATE))
        wanted = DeploymentCreate(
            name=name, flow_id=flow_id, work_pool_name=name, engine="command", job_variables={"command": "true"}
        )
        deployment_id: UUID = store.transaction(deployments.upsert, wanted)[0].id
        for first in range(0, share, PER_TRANSACTION):
            store.transaction(_make(deployment_id, min(PER_TRANSACTION, share - first)))
    store.close()
    with psycopg.connect(url.replace("postgresql+psycopg", "postgresql"), autocommit=True) as conn:
        conn.execute("ANALYZE")


def _make(deployment_id: UUID, count: int) -> Callable[[Tx], Any]:
    def work(tx: Tx) -> None:
        deployment = deployments.by_id(tx, deployment_id)
        names = ("flow_id", "work_pool_id", "work_queue_id", "labels")
        values = {"deployment_id": deployment.id, **{name: getattr(deployment, name) for name in names}}
        first = make_state(StateType.SCHEDULED, tx.now, scheduled_time=tx.now)
        runs.create_many(tx, [(dict(values), first.model_copy(update={"id": new_id()})) for _ in range(count)])

    return work
