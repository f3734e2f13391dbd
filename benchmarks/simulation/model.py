"""Dispatchers as the simulation sees them: the loop of `skylift.dispatch`, with the times that were measured."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.simulation.costs import Costs, Phase
from benchmarks.simulation.engine import Process, Resource, Signal, Simulation, compute
from benchmarks.simulation.reality import Trial
from skylift.settings import Settings

DEFAULTS = Settings.model_fields
BATCH: int = DEFAULTS["claim_batch"].default
THREADS: int = DEFAULTS["launch_threads"].default


@dataclass(slots=True)
class Pool:
    due: int
    row: Resource
    """Whoever claims has locked it."""


class Dispatcher:
    """A process: one thread of it computes at a time. It shares the machine's cores with the others and with the
    database."""

    def __init__(self, world: World) -> None:
        self.world, self.simulation = world, world.simulation
        self.interpreter = Resource(self.simulation, 1)
        self.threads = Resource(self.simulation, THREADS)
        self.under_way = self.answered = 0
        self.answer = Signal()

    def work(self, first: int) -> Process:
        """Pool after pool, until nothing is due."""
        pools = self.world.pools
        while any(pool.due for pool in pools):
            for pool in pools[first % len(pools) :] + pools[: first % len(pools)]:
                yield from self.dispatch(pool)

    def dispatch(self, pool: Pool) -> Process:
        costs = self.world.costs
        more = True
        while more or self.under_way:
            has_room = self.under_way <= THREADS
            if more and has_room:
                yield pool.row.acquire()
                taken = min(pool.due, max(1, BATCH - self.under_way))
                pool.due -= taken
                more = pool.due > 0
                yield from self.step(costs.claim, taken)
                pool.row.release()
                yield from self.step(costs.freeze, taken)
                for _ in range(taken):
                    self.under_way += 1
                    self.simulation.start(self.launch())
            if self.under_way and not (more and self.under_way <= THREADS):
                if not self.answered:
                    yield self.answer.wait()
                done, self.answered = self.answered, 0
                self.under_way -= done
                yield from self.step(costs.record, done)

    def launch(self) -> Process:
        yield self.threads.acquire()
        yield from compute(self.simulation, self.world.costs.launch, self.interpreter, self.world.cores)
        yield self.simulation.wait(self.world.latency)
        self.threads.release()
        self.answered += 1
        self.answer.fire()

    def step(self, phase: Phase, size: int) -> Process:
        """While the database computes, other threads of the process may."""
        yield from compute(self.simulation, phase.own.of(size), self.interpreter, self.world.cores)
        yield from compute(self.simulation, phase.database.of(size), self.world.cores)
        yield self.simulation.wait(phase.wait.of(size))


class World:
    """A machine with so many cores, on which all of it runs."""

    def __init__(self, costs: Costs, trial: Trial, cores: int) -> None:
        self.simulation = Simulation()
        self.costs, self.latency = costs, trial.latency
        self.cores = Resource(self.simulation, cores)
        share = trial.runs // trial.pools
        self.pools = [Pool(share, Resource(self.simulation, 1)) for _ in range(trial.pools)]
        for turn in range(trial.dispatchers):
            self.simulation.start(Dispatcher(self).work(turn))


def predicted(costs: Costs, trial: Trial, cores: int) -> float:
    """Seconds until all of the trial's runs are launched and recorded."""
    world = World(costs, trial, cores)
    world.simulation.run()
    return world.simulation.now
