"""As `test_growth`, of what flows leave behind, of what hangs on limits, and of retention."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Table, select

from skylift import admission
from skylift.ids import new_id
from skylift.models.artifacts import ArtifactCreate
from skylift.models.event_filters import EventFilter
from skylift.models.events import Event
from skylift.models.runs import InputCreate
from skylift.parts import Parts
from skylift.retention import retention
from skylift.settings import Settings
from skylift.store import Tx, artifacts, deployment_slots, events, inputs, limits, pull, runs, sight
from skylift.store.filters import select_filtered
from skylift.store.tables import attempts as attempts_table
from skylift.store.tables import concurrency_limits, flow_runs, task_runs
from tests.api.events_making import life
from tests.store.growth import World, check
from tests.support import records
from tests.support.installation import START
from tests.support.plans import Plans, counted, explained

LAST = START - timedelta(days=2)
"""When the past ends; its runs are one second apart."""


@pytest.fixture(scope="module")
def past(world: World) -> list[UUID]:
    """Some finished runs, the newest first."""
    with world.place.store.reading() as tx:
        query = select(flow_runs.c.id).where(flow_runs.c.end_time.is_not(None)).order_by(flow_runs.c.end_time.desc())
        return [row.id for row in tx.all(query.limit(20))]


def reading(world: World, work: Callable[[Tx], Any]) -> Plans:
    with explained(world.place.store) as plans, world.place.store.reading() as tx:
        assert work(tx) is not None
    return plans


def writing(world: World, work: Callable[..., Any], *args: Any, **values: Any) -> Plans:
    with explained(world.place.store) as plans:
        world.place.store.transaction(work, *args, **values)
    return plans


# -- task runs and events ---------------------------------------------------------------------------------------------


def test_reports_read_the_task_runs_that_they_are_of(world: World, past: list[UUID]) -> None:
    told = [Event.model_validate(each) for run in past[:5] for each in life(run, new_id(), dynamic_key="new")]
    check(writing(world, events.append, told), 60)
    check(writing(world, events.append, told), 60)


def test_task_runs_of_a_flow_run(world: World, past: list[UUID]) -> None:
    filters: dict[str, Any] = {"task_runs": {"flow_run_id": {"any_": [str(past[0])]}}}
    check(reading(world, lambda tx: tx.all(select_filtered("task_runs", filters, None, 200))), 20)
    filters = {"flow_runs": {"id": {"any_": [str(past[0])]}}, "task_runs": {"state": {"type": {"any_": ["RUNNING"]}}}}
    check(reading(world, lambda tx: tx.all(select_filtered("task_runs", filters, None, 200))), 20)


def test_a_page_of_task_runs(world: World) -> None:
    plans = reading(world, lambda tx: tx.all(select_filtered("task_runs", {}, "EXPECTED_START_TIME_DESC", 20)))
    check(plans, 60)


def test_a_state_that_no_task_run_is_in_is_not_looked_for(world: World) -> None:
    filters = {"task_runs": {"state": {"type": {"any_": ["PAUSED"]}}}}
    check(reading(world, lambda tx: tx.all(select_filtered("task_runs", filters, "EXPECTED_START_TIME_DESC", 20))), 0)


@pytest.mark.parametrize(
    "wanted",
    [
        {},
        {"order": "ASC"},
        {"event": {"prefix": ["prefect.task-run."]}},
        {"occurred": {"since": (LAST - timedelta(hours=1)).isoformat(), "until": LAST.isoformat()}},
        {"resource": {"id": ["of the run"]}},
        {"related": {"id": ["of the run"]}},
        {"any_resource": {"id": ["of the run"]}},
    ],
)
def test_a_page_of_events(world: World, past: list[UUID], wanted: dict[str, Any]) -> None:
    """By the server's own counters: a cursor is read as far as it is asked, which EXPLAIN cannot show."""
    store = world.place.store
    name = f"prefect.flow-run.{past[0]}"
    told = {key: {"id": [name]} if value == {"id": ["of the run"]} else value for key, value in wanted.items()}
    asked = EventFilter.model_validate(told)

    def work() -> None:
        with store.reading() as tx:
            assert events.find(tx, asked, 50).events

    work()
    assert counted(store, work).rows < 3_000, "a chunk of each, with what hangs on it"


def test_what_came_in_lately(world: World) -> None:
    """Beside the thousands of runs that were just made."""
    since = START + timedelta(seconds=1)
    check(reading(world, lambda tx: events.received_since(tx, since, ["prefect.flow-run.Cancelling"])), 0)


# -- artifacts and inputs ---------------------------------------------------------------------------------------------


def test_artifacts(world: World, past: list[UUID]) -> None:
    of_run = {"artifacts": {"flow_run_id": {"any_": [str(past[0])]}}}
    check(reading(world, lambda tx: artifacts.find(tx, of_run, None, 200)), 5)
    check(reading(world, lambda tx: artifacts.find(tx, {}, "CREATED_DESC", 20)), 25)
    check(reading(world, lambda tx: artifacts.find_latest(tx, {}, "CREATED_DESC", 20)), records.KEYS)
    check(reading(world, lambda tx: artifacts.latest(tx, "report-1")), 5)
    of_key = {"artifacts": {"key": {"any_": ["report-1"]}}}
    check(reading(world, lambda tx: artifacts.find(tx, of_key, "CREATED_DESC", 20)), 30 * records.KEYS)
    made = world.place.store.transaction(artifacts.create, ArtifactCreate(key="report-1", flow_run_id=past[0], data=1))
    check(writing(world, artifacts.create, ArtifactCreate(key="report-1", flow_run_id=past[0], data=2)), 5)
    check(writing(world, artifacts.remove, made.id), 2 * records.KEYS)


def test_inputs(world: World, past: list[UUID]) -> None:
    check(writing(world, inputs.create, past[0], InputCreate(key="more", value="1")), 5)
    check(reading(world, lambda tx: inputs.matching(tx, past[0], "", 200)), 5)
    check(writing(world, inputs.delete, past[0], "more"), 5)


# -- limits and leases ------------------------------------------------------------------------------------------------


def test_slots_of_limits(world: World) -> None:
    taken = world.place.store.transaction(limits.take, ["limit-1", "limit-2"], 1, lease_seconds=60)
    assert isinstance(taken, limits.Taken)
    check(writing(world, limits.take, ["limit-1", "limit-2"], 1, lease_seconds=60), 20)
    check(writing(world, limits.renew, taken.lease_id, 90), 5)
    check(writing(world, limits.release, taken.lease_id), 10)
    check(reading(world, lambda tx: limits.read(tx, "limit-3")), 10)
    check(writing(world, limits.sweep), 5)


def test_slots_of_a_deployment(world: World) -> None:
    filler = [row.id for row in world.place.rows(concurrency_limits)[:3]]
    check(reading(world, lambda tx: deployment_slots.occupied(tx, filler)), 30)
    check(reading(world, lambda tx: pull.occupied(tx, world.pool.id)), 500)


# -- runs and what hangs on them --------------------------------------------------------------------------------------


def test_what_a_run_may_see(world: World, past: list[UUID]) -> None:
    check(reading(world, lambda tx: sight.seen(tx, past[0], past[:5])), 20)
    check(reading(world, lambda tx: sight.own_or_below(tx, past[0], past[:5])), 20)
    check(reading(world, lambda tx: tx.all(sight.visible(past[0]))), 30)


def test_a_heartbeat(world: World) -> None:
    attempt = world.place.rows(attempts_table)[0]
    world.place.store.transaction(runs.lock, attempt.flow_run_id)
    with world.place.store.engine.begin() as conn:
        conn.execute(attempts_table.update().where(attempts_table.c.id == attempt.id).values(instance="me"))
    check(writing(world, admission.heartbeat, attempt.id, "me"), 10)


def test_deleting_a_run(world: World, past: list[UUID]) -> None:
    check(writing(world, runs.delete_many, past[-2:]), 60)


def _kept(world: World, **ages: timedelta) -> Parts:
    return replace(world.place.parts, settings=Settings(**{f"retention_{name}": age for name, age in ages.items()}))  # type: ignore[arg-type]


KINDS = ("runs", "logs", "events", "artifacts")


def test_retention_of_what_is_young_reads_next_to_nothing(world: World) -> None:
    parts = _kept(world, **dict.fromkeys(KINDS, timedelta(days=20)))
    with explained(world.place.store) as plans:
        done = retention(parts)
    assert done.complete
    assert sum(getattr(done, kind) for kind in ("flow_runs", "logs", "events", "artifacts")) == 0
    check(plans, 25)
    with explained(world.place.store) as plans:
        retention(parts, dry_run=True)
    check(plans, 25)


@pytest.mark.parametrize("kind", KINDS)
def test_retention_reads_what_goes(world: World, kind: str) -> None:
    """One batch of the oldest."""
    oldest = START - timedelta(days=2, seconds=20_000)
    age = START - (oldest + timedelta(seconds=30 + 10 * KINDS.index(kind)))
    parts = _kept(world, **(dict.fromkeys(KINDS, timedelta(days=20)) | {kind: age}))
    before = _number(world, task_runs)
    with explained(world.place.store) as plans:
        done = retention(parts)
    gone = {name: getattr(done, name) for name in ("flow_runs", "logs", "events", "artifacts")}
    assert gone.pop("flow_runs" if kind == "runs" else kind) >= 5
    assert sum(gone.values()) == 0
    assert (_number(world, task_runs) < before) == (kind == "runs")
    # Which slots of schedules are still needed is looked up in all schedules: these are no history.
    check(plans, 2_000 if kind == "events" else 800, apart_from="deployment_schedules")


def _number(world: World, table: Table) -> int:
    with world.place.store.reading() as tx:
        return len(tx.all(select(table.c.id)))
