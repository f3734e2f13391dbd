"""What grows with the past and with the number of schedules: rows read and buffers touched, on a real PostgreSQL.

Two databases, one with 1,000 and one with 1,000,000 finished runs (with their states, timelines, logs, ended attempts
and slots), each after 100,000 claim cycles, autovacuum as PostgreSQL has it by default. In both the same is due. Then,
in each, a tick with 100 due schedules among 100, and again among 100,000. Exits with 1 where a bar is missed.

    python -m benchmarks.growth [--quick] [--detail]
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from statistics import median
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Row, func, select, text, update

from benchmarks.table import print_machine, print_table
from skylift import admission, observe, schedule
from skylift.api import views
from skylift.claim import claim
from skylift.dispatch import dispatch
from skylift.models.flows import DeploymentUpdate, ScheduleCreate
from skylift.models.runs import Ended
from skylift.store import Tx, deployments, due, runs
from skylift.store.filters import select_filtered
from skylift.store.tables import attempts as attempts_table
from skylift.store.tables import deployment_schedules, flow_runs
from tests.conftest import Databases
from tests.support import history
from tests.support.installation import START, Installation
from tests.support.plans import Counts, Plans, counted, explained

CLAIM_BAR, TICK_BAR = 1.5, 2.0
DUE, LIVE, TICKING = 50, 100, 100
ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Sizes:
    few_finished: int = 1_000
    many_finished: int = 1_000_000
    cycles: int = 100_000
    few_schedules: int = TICKING
    many_schedules: int = 100_000


QUICK = Sizes(many_finished=50_000, cycles=5_000, many_schedules=5_000)


@dataclass(frozen=True, slots=True)
class Cost:
    """The median of some rounds: by EXPLAIN, and by the server's counters around a round of its own."""

    rows: float
    buffers: float
    counted: Counts | None = None

    @classmethod
    def of(cls, rounds: list[Plans], counts: Counts | None = None) -> Cost:
        return cls(median(each.rows for each in rounds), median(each.buffers for each in rounds), counts)


class World:
    """One database, its past, and the operations that are measured in it."""

    def __init__(self, url: str) -> None:
        self.place = Installation(url)
        self.pool = self.place.pool(concurrency_limit=1_000)
        self.place.queue("critical", priority=1, concurrency_limit=500)
        self.place.queue("idle", priority=2)
        self.deployments = [self._deployment(number) for number in range(TICKING)]
        self.costs: dict[str, Cost] = {}
        self.plans: dict[str, Plans] = {}
        self.notes: dict[str, object] = {}

    @property
    def store(self) -> Any:
        return self.place.store

    def _deployment(self, number: int) -> Row[Any]:
        limit: dict[str, Any] = {"concurrency_limit": 1_000} if number % 4 == 0 else {}
        every = ScheduleCreate.model_validate({"schedule": {"cron": f"{number % 60} * * * *", "timezone": "UTC"}})
        variables = {"command": "true", "runner": True}
        return self.place.deployment(
            f"deployment-{number}", schedules=[every], job_variables=variables, flow=f"flow-{number % 10}", **limit
        )

    # -- the past -----------------------------------------------------------------------------------------------------

    def live_through(self, finished: int, cycles: int) -> None:
        """Make the past: first the finished runs, then the cycles, so that their dead rows are the newest there are."""
        began = time.monotonic()
        schedule.schedule(self.place.parts)
        history.add_finished(self.store, finished, before=START - timedelta(days=2))
        history.analyze(self.store)
        self.notes["finished runs, s to make"] = round(time.monotonic() - began, 1)
        began = time.monotonic()
        history.run_cycles(self.store, cycles, deployment=self.deployments[1], start=START - timedelta(days=1))
        self.notes["cycles, s to make"] = round(time.monotonic() - began, 1)
        self._put_schedules_off()
        self.notes["dead rows when measured"] = self._dead_rows()

    def grow_schedules(self, count: int, cycles: int) -> None:
        """Add schedules that are not due, and churn once more."""
        history.add_schedules(self.store, count - TICKING, like=self.deployments[1], at=self.place.clock.at)
        history.analyze(self.store)
        history.run_cycles(self.store, cycles, deployment=self.deployments[1], start=START - timedelta(hours=12))
        self._put_schedules_off()

    def _put_schedules_off(self) -> None:
        def work(tx: Tx) -> None:
            mine = deployment_schedules.c.deployment_id.in_([each.id for each in self.deployments])
            tx.run(update(deployment_schedules).where(mine).values(tick_at=tx.now + timedelta(days=1)))

        self.store.transaction(work)

    def _dead_rows(self) -> str:
        query = text(
            "SELECT relname, n_dead_tup FROM pg_stat_user_tables"
            " WHERE relname IN ('due', 'attempts', 'work_pools', 'flow_runs') ORDER BY relname"
        )
        with self.store.engine.connect() as conn:
            return ", ".join(f"{row.relname} {row.n_dead_tup:,}" for row in conn.execute(query))

    # -- operations ---------------------------------------------------------------------------------------------------

    def measure(self, name: str, prepare: Callable[[], object], work: Callable[[], object], rounds: int = 1) -> None:
        """Rounds under EXPLAIN, then one that only the server's counters watch."""
        seen = []
        for _ in range(rounds):
            prepare()
            with explained(self.store) as plans:
                work()
            seen.append(plans)
        prepare()
        self.costs[name] = Cost.of(seen, counted(self.store, work))
        self.plans[name] = seen[-1]

    def make_due(self, count: int = DUE) -> None:
        for number in range(count):
            queue = "critical" if number % 2 else None
            self.place.run(self.deployments[number % TICKING].id, queue=queue)

    def claim(self) -> list[UUID]:
        claimed = self.store.transaction(claim, self.pool.id, owner=uuid4(), limit=DUE)
        assert len(claimed.attempts) == DUE, len(claimed.attempts)
        made: list[UUID] = claimed.attempts
        return made

    def everyday(self) -> None:
        """The claim, and what else the engine does all the time."""
        self.make_due(LIVE)
        dispatch(self.place.parts, self.pool.id)
        self.measure("claim of 50 runs", self.make_due, self.claim, ROUNDS)
        self.measure("dispatch of 50 runs, whole", self.make_due, lambda: dispatch(self.place.parts, self.pool.id))
        self.measure("dispatch, nothing due", _nothing, lambda: dispatch(self.place.parts, self.pool.id))
        self.measure("observe, 100 that run", self._make_lookable, lambda: observe.observe(self.place.parts))
        self.measure("observe, 20 ended", self._end_some, lambda: observe.observe(self.place.parts))
        self._measure_a_runner()
        self.measure("mark 20 late", self._make_late, lambda: schedule.mark_late(self.place.parts))
        self.measure("timer: what is next", _nothing, self._what_is_next)
        self.measure("deployment pause", self._resume, self._pause)
        self.measure("flow-run ls, page of 20", _nothing, self._page)
        self.measure("flow-run ls --state Failed", _nothing, lambda: self._page("Failed"))
        self.measure("flow-run ls --state Resuming, none", _nothing, lambda: self._page("Resuming", 0))

    def _make_lookable(self) -> None:
        def work(tx: Tx) -> None:
            some = select(attempts_table.c.id).where(attempts_table.c.phase == "launched").limit(100)
            a_second_ago = tx.now - timedelta(seconds=1)
            tx.run(update(attempts_table).where(attempts_table.c.id.in_(some)).values(look_at=a_second_ago))

        self.store.transaction(work)

    def _end_some(self) -> None:
        self.place.clock.advance(0.5)
        for container in list(self.place.cloud.alive().values())[:20]:
            container.end(0)
        self._look_at([each for each, box in self.place.cloud.containers.items() if box.phase == "ended"])

    def _look_at(self, attempt_ids: list[UUID]) -> None:
        def work(tx: Tx) -> None:
            tx.run(update(attempts_table).values(look_at=tx.now + timedelta(days=1)))
            tx.run(update(attempts_table).where(attempts_table.c.id.in_(attempt_ids)).values(look_at=tx.now))

        self.store.transaction(work)

    def _measure_a_runner(self) -> None:
        running = {each: box.env["SKYLIFT_NONCE"] for each, box in self.place.cloud.alive().items()}
        waiting, admitted, ending = iter(list(running)), iter(list(running)), iter(list(running))

        def admit() -> None:
            attempt = next(waiting)
            self.store.transaction(admission.admit, self.place.parts.sealer, attempt, "i", running[attempt])

        def heartbeat() -> None:
            self.store.transaction(admission.heartbeat, next(admitted), "i")

        def end() -> None:
            self.store.transaction(admission.end, next(ending), Ended(instance="i", outcome="completed"))

        self.measure("admission", _nothing, admit)
        self.measure("heartbeat", _nothing, heartbeat)
        self.measure("end", _nothing, end)

    def _make_late(self) -> None:
        schedule.mark_late(self.place.parts)
        self.make_due(20)
        self.place.clock.advance(20)

    def _what_is_next(self) -> None:
        with self.store.reading() as tx:
            schedule.next_tick(tx)
            observe.next_look(tx)
            due.pools_with_due_runs(tx)

    def _resume(self) -> None:
        self._set_paused(paused=False)
        schedule.schedule(self.place.parts)

    def _pause(self) -> None:
        self._set_paused(paused=True)

    def _set_paused(self, *, paused: bool) -> None:
        changes = DeploymentUpdate(paused=paused)
        self.store.transaction(deployments.update_deployment, self.deployments[0].id, changes)

    def _page(self, state: str = "", expected: int = 20) -> None:
        now = (self.place.clock.at + timedelta(seconds=1)).isoformat()
        by_state = {"state": {"name": {"any_": [state]}}}
        own: dict[str, Any] = by_state if state else {"expected_start_time": {"before_": now}}
        with self.store.reading() as tx:
            rows = tx.all(select_filtered("flow_runs", {"flow_runs": own}, "EXPECTED_START_TIME_DESC", 20))
            assert len(views.run_list(tx, rows)) == expected

    def tick(self, name: str) -> None:
        """All hundred schedules want to be continued, each by some slots."""
        with self.store.reading() as tx:
            self.notes[f"{name}: schedules"] = tx.conn.execute(
                select(func.count()).select_from(deployment_schedules)
            ).scalar_one()

        def prepare() -> None:
            self.place.clock.advance(3600)
            runs_waiting = self._clear_due()
            self.store.transaction(runs.delete_many, runs_waiting)

            def work(tx: Tx) -> None:
                mine = deployment_schedules.c.deployment_id.in_([each.id for each in self.deployments])
                tx.run(update(deployment_schedules).where(mine).values(tick_at=tx.now - timedelta(seconds=1)))

            self.store.transaction(work)

        def work() -> None:
            assert schedule.schedule(self.place.parts) == TICKING

        self.measure(name, prepare, work, ROUNDS)

    def _clear_due(self) -> list[UUID]:
        """Runs of earlier rounds that would become late in the next: they have been started, as it were."""
        with self.store.reading() as tx:
            query = select(flow_runs.c.id).where(
                flow_runs.c.state_type == "SCHEDULED",
                flow_runs.c.expected_start_time <= tx.now + timedelta(minutes=5),
            )
            return [row.id for row in tx.all(query)]


def _nothing() -> None:
    """For operations that need no preparation."""


def main() -> int:
    """Measure and print; 1 where a bar is missed."""
    sizes = QUICK if "--quick" in sys.argv else Sizes()
    print_machine()
    with tempfile.TemporaryDirectory() as folder:
        databases = Databases(Path(folder))
        try:
            with databases.postgres() as few, databases.postgres() as many:
                missed = _compare(World(few), World(many), sizes)
        finally:
            databases.close()
    return 1 if missed else 0


def _compare(few: World, many: World, sizes: Sizes) -> bool:
    with few.store.engine.connect() as conn:
        print(conn.execute(text("SELECT version()")).scalar_one().partition(" on ")[0], flush=True)
    with ThreadPoolExecutor(2) as threads:
        jobs = [
            threads.submit(few.live_through, sizes.few_finished, sizes.cycles),
            threads.submit(many.live_through, sizes.many_finished, sizes.cycles),
        ]
        for job in jobs:
            job.result()
    for world in (few, many):
        world.everyday()
    small, large = f"{sizes.few_finished:,}", f"{sizes.many_finished:,}"
    print_table(
        f"{small} and {large} finished runs, each after {sizes.cycles:,} claim cycles",
        _columns(small, large),
        [_line(name, few.costs[name], many.costs[name]) for name in few.costs],
    )
    claim_ratio = _ratio(few.costs["claim of 50 runs"], many.costs["claim of 50 runs"])
    ticks = []
    with ThreadPoolExecutor(2) as threads:
        for world in (few, many):
            world.tick("few")
        list(threads.map(lambda world: world.grow_schedules(sizes.many_schedules, sizes.cycles // 5), (few, many)))
    for world, finished in ((few, small), (many, large)):
        world.tick("many")
        ticks.append((f"tick, {finished} finished runs", world.costs["few"], world.costs["many"]))
    small, large = f"{sizes.few_schedules:,}", f"{sizes.many_schedules:,}"
    print_table(
        f"100 due schedules among {small} and among {large}",
        _columns(small, large),
        [_line(name, before, after) for name, before, after in ticks],
    )
    tick_ratio = max(_ratio(before, after) for _, before, after in ticks)
    print()
    for label, world in (("few", few), ("many", many)):
        print(label, world.notes, file=sys.stderr)
    if "--detail" in sys.argv:
        _print_details(many)
    print(f"\nclaim: {claim_ratio:.2f} times (bar {CLAIM_BAR}); tick: {tick_ratio:.2f} times (bar {TICK_BAR})")
    return claim_ratio > CLAIM_BAR or tick_ratio > TICK_BAR


def _print_details(world: World) -> None:
    for name, plans in world.plans.items():
        heaviest = plans.heaviest(7)
        rows = [(" ".join(sql.split())[:100], times, buffers, round(read)) for sql, times, buffers, read in heaviest]
        print_table(name, ("Statement", "times", "buffers", "rows"), rows)
        seen = Counter((scan.table, scan.how, scan.index) for scan in plans.scans(*plans.rows_by_table()))
        for (table, how, index), times in sorted(seen.items(), key=lambda item: -item[1]):
            rows_read = sum(scan.rows for scan in plans.scans(table) if (scan.how, scan.index) == (how, index))
            print(f"{times:>6} x {how} of {table} by {index}: {rows_read:,.0f} rows")


def _columns(small: str, large: str) -> tuple[str, ...]:
    figures = ("rows", "buffers", "counted")
    return ("Operation", *(f"{name} {size}" for name in figures for size in (small, large)), "ratio")


def _line(name: str, few: Cost, many: Cost) -> tuple[object, ...]:
    assert few.counted
    assert many.counted
    explained_figures = (round(few.rows), round(many.rows), round(few.buffers), round(many.buffers))
    return (name, *explained_figures, few.counted.buffers, many.counted.buffers, _ratio(few, many))


def _ratio(few: Cost, many: Cost) -> float:
    """The worse of rows and buffers. The counters are a witness only: a vacuum at work adds to them."""
    pairs = [(few.rows, many.rows), (few.buffers, many.buffers)]
    return max(after / max(before, 1) for before, after in pairs)


if __name__ == "__main__":
    sys.exit(main())
