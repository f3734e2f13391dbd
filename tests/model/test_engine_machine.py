"""A model of users, verbs and crashes in any order: the design's rules 1 to 5 hold after every step.

The machine is sequential (races are for the interleaving tests), but a process may die between any two steps of a
dispatch. What really ran is told by the cloud in memory, not by the store.
"""

from __future__ import annotations

import random
from typing import Any
from unittest.mock import patch
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import Row, select

from skylift import admission, dispatch, observe, schedule
from skylift.claim import Claimed, claim
from skylift.errors import SkyliftError
from skylift.models.flows import DeploymentUpdate, ScheduleCreate
from skylift.models.pools import WorkPoolUpdate, WorkQueueUpdate
from skylift.models.runs import Ended
from skylift.models.states import TERMINAL, StateCreate, StateType
from skylift.provider import OutOfCapacity, Quota, Rejected, Unreachable
from skylift.store import Tx, deployments, pools, proposals, runs
from skylift.store.tables import attempts as attempts_table
from skylift.store.tables import deployments as deployments_table
from skylift.store.tables import due as due_table
from skylift.store.tables import ended_attempts, flow_runs, work_pools, work_queues
from skylift.transitions import Author
from tests.support.cloud import Crash
from tests.support.installation import Installation

limits = st.none() | st.integers(0, 3)
choices = st.randoms(use_true_random=False)


class Engine(RuleBasedStateMachine):
    """One pool with queues, a few deployments, and everything that can happen to them."""

    place: Installation

    @initialize(limit=limits, quota=st.booleans())
    def begin(self, limit: int | None, quota: bool) -> None:
        self.place.wipe()
        self.pool_id: UUID = self.place.pool(concurrency_limit=limit).id
        self.place.cloud.allowed = Quota(rate=0.5, burst=4) if quota else None
        self.ended: dict[UUID, str] = {}
        self.deployments: list[UUID] = []
        self.new_deployment(None, False, False)

    # -- what users do ------------------------------------------------------------------------------------------------

    @rule(limit=limits, cancel_new=st.booleans(), runner=st.booleans())
    def new_deployment(self, limit: int | None, cancel_new: bool, runner: bool) -> None:
        if len(self.deployments) < 4:
            options = {"collision_strategy": "CANCEL_NEW"} if cancel_new else None
            row = self.place.deployment(
                f"d{len(self.deployments)}",
                concurrency_limit=limit,
                concurrency_options=options,
                job_variables={"command": "x", "runner": runner},
            )
            self.deployments.append(row.id)

    @rule(priority=st.none() | st.integers(1, 4), limit=limits)
    def new_queue(self, priority: int | None, limit: int | None) -> None:
        queues = self.queues()
        if len(queues) < 4:
            self.place.queue(f"q{uuid4().hex[:6]}", priority=priority, concurrency_limit=limit)

    @rule(pick=choices, after=st.sampled_from([0, 0, 0, 5, 60]), several=st.integers(1, 3))
    def new_run(self, pick: random.Random, after: float, several: int) -> None:
        queue = pick.choice(self.queues()).name
        for _ in range(several):
            self.place.run(pick.choice(self.deployments), after=after, queue=queue)

    @rule(pick=choices, interval=st.sampled_from([7.0, 60.0]))
    def new_schedule(self, pick: random.Random, interval: float) -> None:
        wanted = ScheduleCreate.model_validate({"schedule": {"interval": interval}, "max_scheduled_runs": 4})

        def work(tx: Any) -> None:
            deployment = deployments.lock(tx, pick.choice(self.deployments))
            deployments.sync_schedules(tx, deployment, [wanted])

        self.place.store.transaction(work)

    @rule(pick=choices, limit=limits, priority=st.integers(1, 4), paused=st.booleans())
    def change_queue(self, pick: random.Random, limit: int | None, priority: int, paused: bool) -> None:
        queue = pick.choice(self.queues())
        changes = pick.choice([{"concurrency_limit": limit}, {"priority": priority}, {"is_paused": paused}])
        self.place.store.transaction(pools.update_queue, queue.id, WorkQueueUpdate.model_validate(changes))

    @rule(pick=choices)
    def delete_queue(self, pick: random.Random) -> None:
        queue = pick.choice(self.queues())
        if queue.name != pools.DEFAULT_QUEUE:
            self.place.store.transaction(pools.delete_queue, queue.id)

    @rule(limit=limits, paused=st.booleans())
    def change_pool(self, limit: int | None, paused: bool) -> None:
        changes = WorkPoolUpdate(concurrency_limit=limit, is_paused=paused)
        self.place.store.transaction(pools.update_pool, "pool", changes)

    @rule(pick=choices, limit=limits, paused=st.booleans())
    def change_deployment(self, pick: random.Random, limit: int | None, paused: bool) -> None:
        changes = DeploymentUpdate(concurrency_limit=limit, paused=paused)
        self.place.store.transaction(deployments.update_deployment, pick.choice(self.deployments), changes)

    @precondition(lambda self: self.place.rows(flow_runs))
    @rule(pick=choices, force=st.booleans())
    def cancel(self, pick: random.Random, force: bool) -> None:
        self.as_person(pick, StateType.CANCELLING, force)

    @precondition(lambda self: self.place.rows(flow_runs))
    @rule(pick=choices)
    def retry(self, pick: random.Random) -> None:
        run_id = self.as_person(pick, StateType.SCHEDULED, False)
        self.ended.pop(run_id, None)

    @precondition(lambda self: self.place.rows(flow_runs))
    @rule(pick=choices)
    def force_completed(self, pick: random.Random) -> None:
        run_id = self.as_person(pick, StateType.COMPLETED, True)
        self.ended.pop(run_id, None)

    def any_run(self, pick: random.Random) -> UUID:
        run_id: UUID = pick.choice(sorted(row.id for row in self.place.rows(flow_runs)))
        return run_id

    def as_person(self, pick: random.Random, type_: StateType, force: bool) -> UUID:
        run_id = self.any_run(pick)
        wanted = StateCreate(type=type_)
        self.place.store.transaction(proposals.propose, run_id, wanted, Author.PERSON, force=force)
        return run_id

    @precondition(lambda self: self.place.rows(flow_runs))
    @rule(pick=choices)
    def delete_run(self, pick: random.Random) -> None:
        run_id = self.any_run(pick)
        self.place.store.transaction(runs.delete_many, [run_id])
        self.ended.pop(run_id, None)

    # -- what verbs do, and where they die ----------------------------------------------------------------------------

    @rule(seconds=st.sampled_from([0.5, 2, 10, 65, 400, 1000]))
    def time_passes(self, seconds: float) -> None:
        self.place.clock.advance(seconds)

    @rule()
    def tick(self) -> None:
        schedule.schedule(self.place.parts)

    @rule()
    def dispatch(self) -> None:
        self.dispatched()

    @rule()
    def dispatch_dies_after_the_claim(self) -> None:
        owner = uuid4()
        self.place.store.transaction(self.claim, self.pool_id, owner=owner, limit=10)

    @rule(started=st.booleans())
    def dispatch_dies_in_a_launch(self, started: bool) -> None:
        self.failing(Crash(), started)

    @rule(
        error=st.sampled_from([Unreachable("?"), OutOfCapacity("full"), Rejected("no")]),
        started=st.booleans(),
    )
    def the_provider_fails(self, error: BaseException, started: bool) -> None:
        self.failing(error, started and isinstance(error, Unreachable))

    def dispatched(self) -> None:
        with patch.object(dispatch, "claim", self.claim):
            dispatch.dispatch(self.place.parts, self.pool_id)

    def failing(self, error: BaseException, started: bool) -> None:
        cloud = self.place.cloud
        (cloud.fail_after if started else cloud.fail_before).append(error)
        try:
            self.dispatched()
        except Crash:
            pass
        finally:
            cloud.fail_after, cloud.fail_before = [], []

    @rule()
    def observe(self) -> None:
        observe.observe(self.place.parts)

    @rule()
    def observe_dies_while_it_heals(self) -> None:
        self.place.cloud.fail_after = [Crash()]
        try:
            observe.observe(self.place.parts)
        except Crash:
            pass
        finally:
            self.place.cloud.fail_after = []

    # -- what containers do -------------------------------------------------------------------------------------------

    @precondition(lambda self: self.place.cloud.alive())
    @rule(pick=choices, code=st.sampled_from([0, 0, 1, None]))
    def container_ends(self, pick: random.Random, code: int | None) -> None:
        attempt_id = pick.choice(sorted(self.place.cloud.alive()))
        self.place.cloud.containers[attempt_id].end(code)

    @precondition(lambda self: self.place.cloud.alive())
    @rule(pick=choices, outcome=st.sampled_from([None, "completed", "failed", "crashed"]))
    def container_speaks(self, pick: random.Random, outcome: str | None) -> None:
        attempt_id = pick.choice(sorted(self.place.cloud.alive()))
        container = self.place.cloud.containers[attempt_id]
        nonce = container.env.get("SKYLIFT_NONCE")
        if not nonce:
            return
        store, instance = self.place.store, str(attempt_id)
        try:
            store.transaction(admission.admit, self.place.parts.sealer, attempt_id, instance, nonce)
            if outcome:
                store.transaction(admission.end, attempt_id, Ended(instance=instance, outcome=outcome))
                container.end(0)
        except SkyliftError:
            container.end(0)  # it was given up, and goes without running user code

    @rule(stubborn=st.booleans())
    def containers_resist(self, stubborn: bool) -> None:
        self.place.cloud.stubborn = stubborn

    # -- the rules ----------------------------------------------------------------------------------------------------

    def queues(self) -> list[Row[Any]]:
        with self.place.store.reading() as tx:
            return pools.queues_of(tx, self.pool_id)

    def claim(self, tx: Tx, pool_id: UUID, **options: Any) -> Claimed:
        """The claim, and rules 2 and 3 as it leaves them: a launch may fail afterwards, and free what was taken."""
        before = {row.id for row in tx.all(select(attempts_table))}
        claimed = claim(tx, pool_id, **options)
        live = tx.all(select(attempts_table))
        new = [row for row in live if row.id not in before]
        if new:
            self.check_limits(tx, live, new)
            self.check_waterfall(tx, live, new)
        return claimed

    def check_limits(self, tx: Tx, live: list[Row[Any]], new: list[Row[Any]]) -> None:
        for table, column in (
            (work_pools, "work_pool_id"),
            (work_queues, "work_queue_id"),
            (deployments_table, "deployment_id"),
        ):
            limit_of = {row.id: row.concurrency_limit for row in tx.all(select(table))}
            for key in {getattr(row, column) for row in new}:
                used = sum(getattr(row, column) == key for row in live)
                assert limit_of[key] is None or used <= limit_of[key], f"{table.name}: {used} of {limit_of[key]}"

    def check_waterfall(self, tx: Tx, live: list[Row[Any]], new: list[Row[Any]]) -> None:
        queues = {row.id: row for row in pools.queues_of(tx, self.pool_id)}
        assert not any(queues[row.work_queue_id].is_paused for row in new)
        lowest = max(queues[row.work_queue_id].priority for row in new)
        deployment_of = {row.id: row for row in tx.all(select(deployments_table))}
        fresh = {row.flow_run_id for row in new}
        for row in tx.all(select(due_table)):
            queue = queues[row.work_queue_id]
            if row.due_at > tx.now or queue.priority >= lowest or queue.is_paused:
                continue
            full = queue.concurrency_limit is not None and queue.concurrency_limit <= sum(
                each.work_queue_id == queue.id for each in live
            )
            deployment = deployment_of[row.deployment_id]
            full |= deployment.concurrency_limit is not None and deployment.concurrency_limit <= sum(
                each.deployment_id == deployment.id for each in live
            )
            assert full, f"{row.flow_run_id} of a higher priority was passed over for {fresh}"

    @invariant()
    def never_two(self) -> None:
        """Rule 1: a container a attempt, a live container a run; and a slot for everything that runs."""
        assert all(count == 1 for count in self.place.cloud.starts.values())
        alive = self.place.cloud.alive()
        runs_alive = [container.launch.flow_run_id for container in alive.values()]
        assert len(runs_alive) == len(set(runs_alive))
        assert set(alive) <= {row.id for row in self.place.rows(attempts_table)}

    @invariant()
    def terminal_is_terminal(self) -> None:
        """Rule 4: nothing but a person brings a run back."""
        states = self.place.states()
        for run_id, state in self.ended.items():
            assert states[run_id] == state
        self.ended |= {run_id: state for run_id, state in states.items() if state in TERMINAL}

    @invariant()
    def nothing_is_lost(self) -> None:
        """Rule 5: what is scheduled waits in `due` or for the end of its old attempt, and nothing else is in there."""
        waiting = {row.flow_run_id: row for row in self.place.rows(due_table)}
        held = {row.flow_run_id for row in self.place.rows(attempts_table)}
        for row in self.place.rows(flow_runs):
            scheduled = row.state_type == "SCHEDULED"
            assert (row.id in waiting) == (scheduled and row.id not in held)
            if row.id in waiting:
                assert waiting[row.id].due_at == row.next_scheduled_start_time
            if row.state_type in ("PENDING", "CANCELLING", "RUNNING"):
                assert row.id in held
        assert set(waiting) <= {row.id for row in self.place.rows(flow_runs)}

    @invariant()
    def priorities_are_unique(self) -> None:
        priorities = [row.priority for row in self.queues()]
        assert len(set(priorities)) == len(priorities)
        assert all(priority > 0 for priority in priorities)

    def teardown(self) -> None:
        """Rule 1, none: with everything open and every container ending, every run comes to its end."""
        if not hasattr(self, "ended"):
            return
        self.open_everything()
        for _ in range(40):
            self.place.clock.advance(400)
            dispatch.dispatch(self.place.parts, self.pool_id)
            for container in self.place.cloud.alive().values():
                container.end(0)
            observe.observe(self.place.parts)
            left = [row for row in self.place.rows(ended_attempts) if row.cleanup_at]
            if not left and not self.place.rows(due_table) and not self.place.rows(attempts_table):
                break
        states = self.place.states()
        assert {run_id: states[run_id] for run_id in states if states[run_id] not in TERMINAL} == {}
        assert not self.place.cloud.containers

    def open_everything(self) -> None:
        store = self.place.store
        self.place.cloud.stubborn, self.place.cloud.allowed = False, None
        store.transaction(pools.update_pool, "pool", WorkPoolUpdate(concurrency_limit=None, is_paused=False))
        for queue in self.queues():
            changes = WorkQueueUpdate(concurrency_limit=None, is_paused=False)
            store.transaction(pools.update_queue, queue.id, changes)
        for deployment in self.deployments:
            changes_ = DeploymentUpdate(concurrency_limit=None, schedules=[])
            store.transaction(deployments.update_deployment, deployment, changes_)


def explore(url: str, examples: int, steps: int, *, at_random: bool = False) -> None:
    place = Installation(url)

    class Machine(Engine):
        pass

    Machine.place = place
    try:
        run_state_machine_as_test(
            Machine,
            settings=settings(
                max_examples=examples,
                stateful_step_count=steps,
                deadline=None,
                derandomize=not at_random,
                suppress_health_check=list(HealthCheck),
                print_blob=True,
                report_multiple_bugs=False,
                # Shrinking takes minutes here; a failure prints what reproduces it, and then it may.
                phases=[Phase.explicit, Phase.reuse, Phase.generate],
            ),
        )
    finally:
        place.close()


@pytest.mark.timeout(300)
def test_the_rules_hold_on_sqlite(sqlite_url: str) -> None:
    explore(sqlite_url, examples=25, steps=30)


@pytest.mark.timeout(300)
def test_the_rules_hold_on_postgres(postgres_url: str) -> None:
    explore(postgres_url, examples=12, steps=30)


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_the_rules_hold_for_long(store_url: str) -> None:
    explore(store_url, examples=300, steps=60, at_random=True)
