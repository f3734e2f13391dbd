"""Past one machine: runs of many pools that come due at random, each dispatched by a function of its own, over one
PostgreSQL with so many cores, or over a distributed engine that has no locks and finds conflicts at the commit.

A pool's claim changes the pool's row and the row of the launch quota that all pools of its account share.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from statistics import quantiles

from benchmarks.simulation import facts
from benchmarks.simulation.costs import Costs
from benchmarks.simulation.engine import Process, Resource, Simulation, compute

WARM_UP, SECONDS = 3.0, 10.0
RETRY = 0.02
"""Seconds before a transaction that lost is tried again, the first time; doubled each time, with jitter."""


@dataclass(frozen=True, slots=True)
class Scenario:
    name: str
    database_cores: int | None
    """None: distributed, and as many as are needed."""
    quota_rows: int = 1
    """Among how many rows the quota of an account is divided."""
    hot_share: float = 0.0
    """The part of all runs that is in one pool."""
    rate: int = facts.RUNS_PER_SECOND


@dataclass(slots=True)
class Row:
    """One that many transactions change."""

    lock: Resource
    version: int = 0


@dataclass
class Found:
    delays: list[float] = field(default_factory=list)
    """From due to RunTask accepted."""
    commits: int = 0
    conflicts: int = 0
    functions: int = 0
    most_functions: int = 0
    hot_rows: float = 0.0
    """The part of the time for which the busiest row was locked."""
    utilisation: float = 0.0

    def at(self, percent: int) -> float:
        return quantiles(self.delays, n=100)[percent - 1]

    @property
    def lost(self) -> float:
        """Of all tries of a claim, how many were for nothing."""
        return self.conflicts / max(1, self.commits + self.conflicts)


class World:
    def __init__(self, scenario: Scenario, costs: Costs, seed: int = 1) -> None:
        self.scenario, self.costs = scenario, costs
        self.simulation = Simulation()
        self.random = random.Random(seed)
        self.cores = Resource(self.simulation, scenario.database_cores or 10**9)
        self.pools = [self._row() for _ in range(facts.POOLS)]
        self.quotas = [[self._row() for _ in range(scenario.quota_rows)] for _ in range(facts.ACCOUNTS)]
        self.tokens = [(float(facts.RUN_TASK_BURST), 0.0)] * facts.ACCOUNTS
        self.found = Found()
        self.due: dict[int, list[float]] = {}

    def _row(self) -> Row:
        return Row(Resource(self.simulation, 1))

    def run(self) -> Found:
        self.simulation.start(self.arrivals())
        self.simulation.run(WARM_UP + SECONDS)
        rows = [*self.pools, *(row for shards in self.quotas for row in shards)]
        self.found.hot_rows = max(row.lock.busy for row in rows) / self.simulation.now
        self.found.utilisation = self.cores.busy / self.simulation.now / self.cores.capacity
        return self.found

    def arrivals(self) -> Process:
        while True:
            yield self.simulation.wait(self.random.expovariate(self.scenario.rate))
            is_hot = self.random.random() < self.scenario.hot_share
            pool = 0 if is_hot else self.random.randrange(facts.POOLS)
            waiting = self.due.setdefault(pool, [])
            waiting.append(self.simulation.now)
            if len(waiting) == 1:  # one wakeup for all that are due
                self.simulation.start(self.dispatch(pool))
            self.simulation.start(self.around())

    def around(self) -> Process:
        """What else a run takes of the database: it is scheduled, it reports, its end is noticed."""
        yield from self.database(facts.SCHEDULE_DATABASE)
        for _ in range(facts.API_CALLS):
            yield self.simulation.wait(self.random.uniform(0, 3))
            yield from self.database(facts.API_DATABASE)
        yield from self.database(facts.OBSERVE_DATABASE)

    def database(self, seconds: float) -> Process:
        yield from compute(self.simulation, seconds, self.cores)

    def dispatch(self, pool: int) -> Process:
        """One function, for all that is due in the pool."""
        self.found.functions += 1
        self.found.most_functions = max(self.found.most_functions, self.found.functions)
        account = pool % facts.ACCOUNTS
        wait = self._token(account)
        if wait:
            yield self.simulation.wait(wait)
        taken: list[float] = []
        claim = self.claim_with_locks if self.scenario.database_cores else self.claim_and_see
        yield from claim(pool, account, taken)
        yield from self.step("freeze", len(taken))
        yield self.simulation.wait(facts.RUN_TASK)
        now = self.simulation.now
        self.found.delays += [now - at for at in taken if at > WARM_UP]
        yield from self.step("record", len(taken))
        self.found.functions -= 1

    def _token(self, account: int) -> float:
        """Seconds until the account may launch once more."""
        tokens, at = self.tokens[account]
        now = self.simulation.now
        tokens = min(facts.RUN_TASK_BURST, tokens + (now - at) * facts.RUN_TASK_RATE) - 1
        self.tokens[account] = tokens, now
        return max(0.0, -tokens / facts.RUN_TASK_RATE)

    def step(self, name: str, size: int) -> Process:
        """One transaction: the function computes, asks, the database computes."""
        phase = getattr(self.costs, name)
        trip = facts.ROUND_TRIP if self.scenario.database_cores else facts.DSQL_STATEMENT
        yield self.simulation.wait(phase.own.of(size) + trip * facts.STATEMENTS[name])
        yield from self.database(phase.database.of(size))
        yield self.simulation.wait(phase.wait.of(size) if self.scenario.database_cores else facts.DSQL_COMMIT)

    def claim_with_locks(self, pool: int, account: int, taken: list[float]) -> Process:
        rows = (self.pools[pool], self.random.choice(self.quotas[account]))
        for row in rows:
            yield row.lock.acquire()
        taken += self.due.pop(pool, [])
        yield from self.step("claim", max(1, len(taken)))
        for row in rows:
            row.lock.release()
        self.found.commits += 1

    def claim_and_see(self, pool: int, account: int, taken: list[float]) -> Process:
        pause = RETRY
        while True:
            rows = (self.pools[pool], self.random.choice(self.quotas[account]))
            seen = [row.version for row in rows]
            yield from self.step("claim", max(1, len(self.due.get(pool, []))))
            if [row.version for row in rows] == seen:
                break
            self.found.conflicts += 1
            yield self.simulation.wait(self.random.uniform(pause / 2, pause))
            pause = min(1.0, pause * 2)
        for row in rows:
            row.version += 1
        taken += self.due.pop(pool, [])
        self.found.commits += 1


SCENARIOS = (
    Scenario("PostgreSQL, 8 cores", 8),
    Scenario("PostgreSQL, 16 cores", 16),
    Scenario("PostgreSQL, 32 cores", 32),
    Scenario("the same, a hundredth of all runs in one pool", 32, hot_share=0.01),
    Scenario("distributed", None),
    Scenario("the same, each account's quota in 8 rows", None, quota_rows=8),
    Scenario("the same, a hundredth of all runs in one pool", None, quota_rows=8, hot_share=0.01),
)
COLUMNS = ("launched/s", "p50 s", "p99 s", "claims lost", "busiest row", "database busy", "functions at once")


def rows(costs: Costs) -> Iterator[tuple[object, ...]]:
    """Of a table: each scenario, and what came of it."""
    for scenario in SCENARIOS:
        found = World(scenario, costs).run()
        locked = f"{found.hot_rows:.0%}" if scenario.database_cores else ""
        busy = f"{found.utilisation:.0%}" if scenario.database_cores else ""
        rate = round(len(found.delays) / SECONDS)
        figures = (found.at(50), found.at(99), f"{found.lost:.0%}", locked, busy, found.most_functions)
        yield scenario.name, rate, *figures
