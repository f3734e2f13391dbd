"""Retention: what goes is old and over, what stays is complete, in every table and on both databases."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, get_args
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from sqlalchemy import Boolean, Table, event, insert, update

from skylift.models.api_keys import ApiKeyCreate, Role
from skylift.models.artifacts import ArtifactCreate
from skylift.models.flows import ScheduleCreate
from skylift.models.states import TERMINAL, StateDetails, StateType, make_state
from skylift.models.upkeep import Retained
from skylift.retention import retention
from skylift.schedule import schedule
from skylift.settings import Settings
from skylift.store import Tx, api_keys, artifacts, limits, old, runs, task_runs
from skylift.store.tables import (
    api_keys as keys_table,
)
from skylift.store.tables import (
    artifact_collections,
    attempts,
    concurrency_leases,
    deployment_schedules,
    ended_attempts,
    events,
    flow_run_inputs,
    flow_run_states,
    flow_run_timeline,
    flow_runs,
    log_batches,
    metadata,
    schedule_slots,
    task_run_states,
)
from skylift.store.tables import artifacts as artifacts_table
from skylift.store.tables import task_runs as task_runs_table
from tests.conftest import Databases, Kind
from tests.support.installation import START, Installation

POINTS_TO = (
    (flow_run_states, "flow_run_id", flow_runs),
    (flow_run_timeline, "flow_run_id", flow_runs),
    (flow_run_inputs, "flow_run_id", flow_runs),
    (log_batches, "flow_run_id", flow_runs),
    (events, "flow_run_id", flow_runs),
    (task_runs_table, "flow_run_id", flow_runs),
    (artifacts_table, "flow_run_id", flow_runs),
    (attempts, "flow_run_id", flow_runs),
    (ended_attempts, "flow_run_id", flow_runs),
    (schedule_slots, "flow_run_id", flow_runs),
    (task_run_states, "task_run_id", task_runs_table),
    (artifacts_table, "task_run_id", task_runs_table),
    (flow_runs, "parent_task_run_id", task_runs_table),
    (flow_runs, "state_id", flow_run_states),
    (task_runs_table, "state_id", task_run_states),
    (artifact_collections, "latest_id", artifacts_table),
)
"""Columns that name a row of another table."""
AGES = st.integers(1, 200)
"""Days."""


@pytest.fixture(scope="module", params=get_args(Kind))
def place(request: pytest.FixtureRequest, databases: Databases) -> Iterator[Installation]:
    with databases.fresh(request.param) as url:
        made = Installation(url)
        if request.param == "sqlite":  # hundreds of transactions, of which none has to survive a power cut
            event.listen(made.store.engine, "connect", lambda raw, _: raw.execute("PRAGMA synchronous=OFF"))
            made.store.engine.dispose()
        yield made
        made.close()


@pytest.fixture
def empty(place: Installation) -> Installation:
    place.wipe()
    return place


def keeping(place: Installation, **ages: timedelta | None) -> Any:
    """The parts with these settings."""
    given_ages = {f"retention_{name}": age for name, age in ({"events": None} | ages).items()}
    return replace(place.parts, settings=place.parts.settings.model_copy(update=given_ages))


@dataclass(frozen=True)
class Run:
    """A run as the tests want it: how many days ago it began and ended, and what hangs on it."""

    began: int
    ended: int | None
    """None: it has not."""
    attempt: str = "clean"
    task_runs: int = 1
    lines: int = 1
    artifact: str | None = None
    is_child: bool = False
    """A subflow of the run before it."""

    def may_go(self, days: int) -> bool:
        return self.ended is not None and self.ended > days and self.attempt == "clean"


@st.composite
def some_runs(draw: st.DrawFn) -> Run:
    began = draw(AGES)
    return Run(
        began=began,
        ended=draw(st.none() | st.integers(0, began)),
        attempt=draw(st.sampled_from(["clean", "clean", "uncleaned", "live"])),
        task_runs=draw(st.integers(0, 4)),
        lines=draw(st.integers(0, 3)),
        artifact=draw(st.sampled_from([None, "a", "b"])),
        is_child=draw(st.booleans()),
    )


def make(place: Installation, wanted: list[Run]) -> list[UUID]:
    """Write the runs, as the engine would have left them."""
    pool, deployment = place.pool(), place.deployment()

    def work(tx: Tx) -> list[UUID]:
        made: list[UUID] = []
        parent: UUID | None = None
        for number, each in enumerate(wanted):
            then = replace(tx, _now=START - timedelta(days=each.began))
            run_id, parent = _make(then, each, number, pool, deployment, parent)
            made.append(run_id)
        return made

    return place.store.transaction(work)


def _make(tx: Tx, each: Run, number: int, pool: Any, deployment: Any, parent: UUID | None) -> tuple[UUID, UUID | None]:
    values = {"flow_id": deployment.flow_id, "deployment_id": deployment.id}
    if each.is_child:
        values["parent_task_run_id"] = parent
    running = make_state(StateType.RUNNING, tx.now)
    [row] = runs.create_many(tx, [(values, running)])
    run_id = row["id"]
    ended = START - timedelta(days=each.ended) if each.ended is not None else None
    if ended:
        runs.enter(tx, runs.by_id(tx, run_id), make_state(StateType.COMPLETED, ended), end_time=ended)
    of_tasks = [_task_run(tx, run_id, place, ended or tx.now) for place in range(each.task_runs)]
    for line in range(each.lines):
        _log(tx, run_id, tx.now + timedelta(minutes=line))
        _event(tx, run_id)
    if each.artifact:
        task_run = of_tasks[0] if of_tasks and number % 2 else None
        artifacts.create(tx, ArtifactCreate(key=each.artifact, flow_run_id=run_id, task_run_id=task_run))
    attempt = {"id": uuid4(), "flow_run_id": run_id, "work_pool_id": pool.id, "provider_type": "cloud:push"}
    attempt |= {"reports": True, "output_offset": 0}
    if each.attempt == "live":
        phase = {"phase": "admitted", "claimed_at": tx.now, "lease_owner": uuid4(), "lease_until": tx.now}
        queue = {"work_queue_id": pool.default_queue_id, "look_at": tx.now, "launch_calls": 1}
        tx.run(insert(attempts).values(_filled(attempts, attempt | phase | queue)))
    else:
        due = tx.now if each.attempt == "uncleaned" else None
        times = {"ended_at": ended or tx.now, "cleanup_at": due}
        tx.run(insert(ended_attempts).values(_filled(ended_attempts, attempt | times)))
    input_ = {"id": uuid4(), "flow_run_id": run_id, "key": "k", "value": "1", "created": tx.now, "updated": tx.now}
    tx.run(insert(flow_run_inputs).values(**input_))
    slot = {"deployment_id": deployment.id, "identity": "old", "slot": tx.now + timedelta(seconds=number)}
    tx.run(insert(schedule_slots).values(**slot, flow_run_id=run_id))
    return run_id, of_tasks[-1] if of_tasks else None


def _filled(table: Table, values: dict[str, Any]) -> dict[str, Any]:
    """Yes and no of which nothing is said are no."""
    needed = {column.name for column in table.c if isinstance(column.type, Boolean) and not column.nullable}
    return dict.fromkeys(needed, False) | values


def _task_run(tx: Tx, run_id: UUID | None, number: int, ended: datetime) -> UUID:
    state = make_state(StateType.COMPLETED, ended)
    made = uuid4()
    task_run = {"id": made, "name": "t", "flow_run_id": run_id, "task_key": "t", "dynamic_key": str(number)}
    columns = {"empirical_policy": {}, "tags": [], "labels": {}, "task_inputs": {}, "flow_run_run_count": 1}
    counts = {"run_count": 1, "total_run_time": 0.0, "state_order": task_runs.order_of(ended, 1, state.type, state.id)}
    times = {"created": tx.now, "updated": tx.now, "expected_start_time": tx.now, "end_time": ended}
    current = {"state_id": state.id, "state_type": "COMPLETED", "state_name": "Completed", "state_timestamp": ended}
    tx.run(insert(task_runs_table).values(**task_run, **columns, **counts, **times, **current))
    state.state_details = StateDetails()
    tx.run(insert(task_run_states).values(**task_runs.state_row(made, state)))
    return made


def _log(tx: Tx, run_id: UUID | None, at: datetime) -> None:
    batch = {"id": uuid4(), "flow_run_id": run_id, "first_at": at, "last_at": at, "max_level": 20, "lines": 2}
    tx.run(insert(log_batches).values(**batch, body=b""))


def _event(tx: Tx, run_id: UUID | None) -> None:
    values = {"id": uuid4(), "occurred": tx.now, "received": tx.now, "event": "e", "resource_id": "r"}
    tx.run(insert(events).values(**values, resource={}, related=[], payload={}, flow_run_id=run_id))


def orphans(place: Installation) -> list[str]:
    """Rows that name one which is not there."""
    rows = {table.name: place.rows(table) for table in metadata.sorted_tables}
    return [
        f"{table.name}.{column}: {getattr(row, column)}"
        for table, column, target in POINTS_TO
        for there in [{each.id for each in rows[target.name]}]
        for row in rows[table.name]
        if getattr(row, column) is not None and getattr(row, column) not in there
    ]


def ids(place: Installation, table: Any) -> set[UUID]:
    return {row.id for row in place.rows(table)}


# -- what goes and what stays -----------------------------------------------------------------------------------------


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(wanted=st.lists(some_runs(), max_size=5), days=AGES, others=st.tuples(*[st.none() | AGES] * 3))
def test_what_stays_is_complete_and_what_goes_is_old(
    place: Installation, wanted: list[Run], days: int, others: tuple[int | None, ...]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(old, "RUNS", 3)
        patch.setattr(old, "ROWS", 6)
        place.wipe()
        wanted = sorted(wanted, key=lambda each: -each.began)  # of two artifacts the newer was made later
        made = make(place, wanted)
        assert orphans(place) == []
        before = {table: place.rows(table) for table in (log_batches, events, artifacts_table)}
        by_kind = dict(zip(("logs", "events", "artifacts"), others, strict=True))
        ages = {name: timedelta(days=each) if each else None for name, each in by_kind.items()}
        parts = keeping(place, runs=timedelta(days=days), **ages)
        expected = retention(parts, dry_run=True)
        done = retention(parts)
        assert done == expected
        assert orphans(place) == []
        kept = [run_id for run_id, each in zip(made, wanted, strict=True) if not each.may_go(days)]
        assert ids(place, flow_runs) == set(kept)
        for table, name, at in (
            (log_batches, "logs", "last_at"),
            (events, "events", "received"),
            (artifacts_table, "artifacts", "created"),
        ):
            age = ages[name]
            stays = {
                row.id
                for row in before[table]
                if row.flow_run_id in kept and (age is None or getattr(row, at) >= START - age)
            }
            assert ids(place, table) == stays
        _check_latest(place)
        assert retention(parts).model_dump(exclude={"before"}) == Retained().model_dump(exclude={"before"})


def _check_latest(place: Installation) -> None:
    """Of every key that there is an artifact of, the newest is known as such."""
    newest: dict[str, Any] = {}
    for row in sorted(place.rows(artifacts_table), key=lambda each: (each.created, each.id)):
        newest[row.key] = row.id
    assert {row.key: row.latest_id for row in place.rows(artifact_collections)} == newest


def test_by_default_only_events_go_by_their_age(empty: Installation) -> None:
    made = make(empty, [Run(began=5000, ended=5000, artifact="a")])
    empty.store.transaction(_event, None)
    done = retention(empty.parts)
    assert done.events == 1
    assert (done.flow_runs, done.logs, done.artifacts) == (0, 0, 0)
    assert set(done.before) == {"events", "deliveries", "expired_limits", "api_keys"}
    assert ids(empty, flow_runs) == set(made)
    assert len(empty.rows(events)) == 1


def test_a_run_that_is_retried_stays(empty: Installation) -> None:
    [run_id] = make(empty, [Run(began=100, ended=90)])

    def retry(tx: Tx) -> None:
        runs.enter(tx, runs.lock(tx, run_id), make_state(StateType.SCHEDULED, tx.now, scheduled_time=tx.now))

    empty.store.transaction(retry)
    assert retention(keeping(empty, runs=timedelta(days=1))).flow_runs == 0
    assert empty.row(run_id).state_type not in TERMINAL


def test_what_nobody_owns_goes_too(empty: Installation) -> None:
    """Task runs without a flow run by their age, and what was reported of runs that were deleted meanwhile."""
    make(empty, [Run(began=100, ended=None)])
    lost, age = uuid4(), timedelta(days=10)
    for days in (50, 5):
        empty.clock.at = START - timedelta(days=days)

        def work(tx: Tx, days: int = days) -> None:
            for owner in (None, lost):
                task_run = _task_run(tx, owner, days, tx.now)
                _log(tx, owner, tx.now)
                artifacts.create(tx, ArtifactCreate(flow_run_id=owner, task_run_id=task_run))
            attempt = {"id": uuid4(), "flow_run_id": lost, "work_pool_id": lost, "provider_type": "cloud:push"}
            attempt |= {"reports": True, "output_offset": 0}
            tx.run(insert(ended_attempts).values(_filled(ended_attempts, attempt | {"ended_at": tx.now})))

        empty.store.transaction(work)
    empty.clock.at = START
    assert retention(keeping(empty, runs=age)).task_runs == 1
    left = {(row.flow_run_id, row.created) for row in empty.rows(task_runs_table)}
    assert {(owner, (START - at).days) for owner, at in left if owner in (None, lost)} == {(None, 5), (lost, 5)}
    assert [row.ended_at for row in empty.rows(ended_attempts) if row.flow_run_id == lost] == [
        START - timedelta(days=5)
    ]
    lone = [row for row in empty.rows(log_batches) if row.flow_run_id is None]
    assert len(lone) == 2  # logs without a run are nobody's leftovers: they have an age of their own
    assert {row.first_at for row in empty.rows(log_batches) if row.flow_run_id == lost} == {START - timedelta(days=5)}
    assert len(empty.rows(artifacts_table)) == 2


def test_the_ledger_keeps_what_it_still_reads(empty: Installation) -> None:
    """No slot is made twice, however much of the ledger went, also of a schedule that was not continued for long."""
    empty.pool()
    empty.clock.at = START - timedelta(days=60)
    daily = ScheduleCreate.model_validate({"schedule": {"cron": "0 0 * * *", "timezone": "UTC"}})
    empty.deployment(schedules=[daily])
    schedule(empty.parts)
    made = {row.slot for row in empty.rows(schedule_slots)}
    with empty.store.engine.begin() as conn:  # as though the cursor had been set back
        conn.execute(update(deployment_schedules).values(cursor=empty.clock.at))
    empty.clock.at = START
    parts = keeping(empty, runs=timedelta(days=1))
    retention(parts)
    assert {row.slot for row in empty.rows(schedule_slots)} == made
    schedule(empty.parts)
    with empty.store.engine.begin() as conn:
        conn.execute(update(flow_runs).values(state_type="COMPLETED", end_time=START - timedelta(days=20)))
    retention(parts)
    assert empty.rows(flow_runs) == []
    left = {row.slot for row in empty.rows(schedule_slots)}
    assert left == {slot for slot in left if slot >= START - timedelta(days=1)}
    before = len(empty.rows(schedule_slots))
    schedule(empty.parts)
    assert len(empty.rows(schedule_slots)) == before


# -- what is over by itself -------------------------------------------------------------------------------------------


def test_leases_that_ran_out_free_their_slots(empty: Installation) -> None:
    from skylift.models.limits import ConcurrencyLimitCreate

    empty.store.transaction(limits.create, ConcurrencyLimitCreate(name="db", limit=2))
    empty.store.transaction(limits.take, ["db"], 1, lease_seconds=60)
    assert retention(empty.parts).expired_limits == 0
    empty.clock.advance(61)
    assert retention(empty.parts, dry_run=True).expired_limits == 1
    assert retention(empty.parts).expired_limits == 1
    assert empty.rows(concurrency_leases) == []


def test_expired_keys_go_but_never_the_last_one(empty: Installation) -> None:
    """Without any key the API is open to all: one that has expired still keeps it closed."""
    for name in ("a", "b"):
        wanted = ApiKeyCreate(name=name, role=Role.VIEWER, expires=START + timedelta(hours=1))
        empty.store.transaction(api_keys.create, wanted)
    empty.clock.advance(31 * 86400)
    assert retention(empty.parts).api_keys == 0
    assert len(empty.rows(keys_table)) == 2
    empty.store.transaction(api_keys.create, ApiKeyCreate(name="c", role=Role.ADMIN))
    assert retention(empty.parts).api_keys == 2
    assert [row.name for row in empty.rows(keys_table)] == ["c"]


# -- in bounded steps -------------------------------------------------------------------------------------------------


def test_it_stops_when_told_and_goes_on_where_it_was(empty: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(old, "RUNS", 2)
    monkeypatch.setattr(old, "ROWS", 3)
    make(empty, [Run(began=100, ended=90, task_runs=4, lines=3) for _ in range(5)])
    parts = keeping(empty, runs=timedelta(days=30))
    assert retention(parts, until=time.monotonic() - 1) == Retained(complete=False, before={"expired_limits": START})
    gone, turns, is_complete = 0, 0, False
    while not is_complete and turns < 100:  # more than it takes, however many stages there are
        left = iter(range(11))
        done = retention(parts, stopped=lambda left=left: next(left, None) is None)  # type: ignore[misc]
        gone, turns, is_complete = gone + done.flow_runs, turns + 1, done.complete
        assert [each for each in orphans(empty) if not each.startswith("schedule_slots")] == []  # wherever it stops
    assert (gone, turns > 3, is_complete) == (5, True, True)
    assert empty.rows(task_runs_table) == []


# -- settings ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "age"),
    [("90d", timedelta(days=90)), ("12h", timedelta(hours=12)), ("4w", timedelta(weeks=4)), ("forever", None)],
)
def test_ages_are_read(text: str, age: timedelta | None, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RUNS", "LOGS", "EVENTS", "ARTIFACTS", "DELIVERIES"):
        monkeypatch.setenv(f"SKYLIFT_RETENTION_{name}", text)
    found = Settings()
    assert {found.retention_runs, found.retention_logs, found.retention_events, found.retention_artifacts} == {age}
    assert found.retention_deliveries == age


@pytest.mark.parametrize("text", ["0d", "90", "5m", "-1d", "soon", "99999d"])
def test_no_age_is_taken_for_another(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SKYLIFT_RETENTION_RUNS", text)
    with pytest.raises(ValidationError, match="12h, 90d or 4w"):
        Settings()
