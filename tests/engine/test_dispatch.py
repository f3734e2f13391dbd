"""Dispatch and observe against a cloud in memory: what happens to a run, on the good way and the bad ones."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID, uuid4

import pytest

from skylift import admission, observe
from skylift.claim import claim
from skylift.dispatch import dispatch
from skylift.errors import ConflictError, ForbiddenError, GoneError
from skylift.models.pools import PoolSettings, WorkPoolUpdate, WorkQueueUpdate
from skylift.models.runs import Ended
from skylift.models.states import StateCreate, StateType
from skylift.provider import Launch, OutOfCapacity, Quota, Rejected, Throttled, Unreachable
from skylift.store import attempts, pools, proposals, runs, timeline
from skylift.store.tables import attempts as attempts_table
from skylift.store.tables import due, ended_attempts
from skylift.transitions import Author
from skylift.wakeups import Dispatch, Wakeup
from tests.support.cloud import Crash
from tests.support.installation import START, Installation


def kinds(place: Installation, run_id: UUID) -> list[str]:
    with place.store.reading() as tx:
        return [row.kind for row in timeline.read(tx, run_id)]


def message(place: Installation, run_id: UUID) -> str:
    with place.store.reading() as tx:
        return runs.state(tx, runs.by_id(tx, run_id).state_id).message or ""


def attempt_of(place: Installation, run_id: UUID) -> UUID:
    with place.store.reading() as tx:
        attempt = attempts.of_run(tx, run_id)
    assert attempt
    attempt_id: UUID = attempt.id
    return attempt_id


def cancel(place: Installation, run_id: UUID) -> None:
    place.store.transaction(proposals.propose, run_id, StateCreate(type=StateType.CANCELLING), Author.PERSON)


def look(place: Installation, seconds: float = 61) -> None:
    place.clock.advance(seconds)
    observe.observe(place.parts)


def test_a_bare_command_runs_to_its_end(place: Installation) -> None:
    pool = place.pool()
    run = place.run(place.deployment().id)
    report = dispatch(place.parts, pool.id)
    assert (report.claimed, report.launched) == (1, 1)
    assert place.row(run).state_type == "PENDING"
    (container,) = place.cloud.alive().values()
    assert container.launch.configuration["command"] == ["true"]
    container.end(0)
    look(place)
    assert place.row(run).state_type == "COMPLETED"
    assert kinds(place, run) == ["created", "claimed", "rendered", "launched", "ended", "completed", "cleaned"]
    assert not place.rows(attempts_table)
    assert not place.cloud.containers


@pytest.mark.parametrize(
    ("began", "ended", "times"), [(2, 9, (2, 9)), (None, None, (61, 61)), (-5, 90, (0, 61)), (9, 2, (2, 2))]
)
def test_when_a_bare_command_began_and_ended_is_its_providers_word(
    place: Installation, began: int | None, ended: int | None, times: tuple[int, int]
) -> None:
    """Within what can be: not before it was claimed, and not in the future."""

    def at(seconds: int | None) -> datetime | None:
        return None if seconds is None else START + timedelta(seconds=seconds)

    pool = place.pool()
    run = place.run(place.deployment().id)
    dispatch(place.parts, pool.id)
    (container,) = place.cloud.alive().values()
    container.end(0)
    container.started_at, container.ended_at = at(began), at(ended)
    look(place)
    row = place.row(run)
    assert (row.state_type, row.start_time, row.end_time) == ("COMPLETED", *map(at, times))


def test_a_run_that_is_not_due_waits(place: Installation) -> None:
    pool = place.pool()
    place.run(place.deployment().id, after=5)
    assert dispatch(place.parts, pool.id).claimed == 0
    place.clock.advance(5)
    assert dispatch(place.parts, pool.id).launched == 1


@pytest.mark.parametrize(("code", "state"), [(1, "FAILED"), (137, "FAILED"), (None, "CRASHED")])
def test_how_a_bare_command_ends_decides(place: Installation, code: int | None, state: str) -> None:
    pool = place.pool()
    run = place.run(place.deployment().id)
    dispatch(place.parts, pool.id)
    next(iter(place.cloud.alive().values())).end(code)
    look(place)
    assert place.row(run).state_type == state


@pytest.mark.parametrize("error", [Throttled("Slow down"), OutOfCapacity("No room", retry_after=40)])
def test_refused_for_now_goes_back_to_the_queue(place: Installation, error: Throttled | OutOfCapacity) -> None:
    pool = place.pool(concurrency_limit=1)
    run = place.run(place.deployment().id)
    place.cloud.fail_before = [error]
    assert dispatch(place.parts, pool.id).delayed == 1
    row = place.row(run)
    assert (row.state_name, row.run_count, row.infrastructure_retries) == ("AwaitingRetry", 0, 0)
    assert not place.rows(attempts_table)
    place.clock.advance(41)
    assert dispatch(place.parts, pool.id).launched == 1


def test_rejected_crashes_with_the_remedy(place: Installation) -> None:
    pool = place.pool()
    run = place.run(place.deployment().id)
    place.cloud.fail_before = [Rejected("No such image", remedy="Push it first")]
    dispatch(place.parts, pool.id)
    assert place.row(run).state_type == "CRASHED"
    assert message(place, run) == "No such image. Push it first"
    assert not place.rows(attempts_table)


@pytest.mark.parametrize("started", [True, False])
def test_an_unknown_launch_is_healed_once(place: Installation, started: bool) -> None:
    pool = place.pool()
    run = place.run(place.deployment().id)
    error = Unreachable("The network is down")
    (place.cloud.fail_after if started else place.cloud.fail_before).append(error)
    assert dispatch(place.parts, pool.id).unknown == 1
    look(place, 30)
    assert place.row(run).state_type == "PENDING"
    assert len(place.cloud.alive()) == (1 if started else 0)
    look(place, 40)
    assert set(place.cloud.starts.values()) == {1}
    next(iter(place.cloud.alive().values())).end(0)
    look(place)
    assert place.row(run).state_type == "COMPLETED"


def test_a_relaunch_is_the_same_to_the_byte(place: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    pool = place.pool()
    seen: list[Launch] = []
    real = place.cloud.launch

    def spying(launch: Launch) -> str:
        seen.append(launch)
        return real(launch)

    monkeypatch.setattr(place.cloud, "launch", spying)
    deployment = place.deployment(job_variables={"command": "x", "env": {"A": "1"}, "runner": True})
    place.run(deployment.id)
    place.cloud.fail_before = [Unreachable("?")]
    dispatch(place.parts, pool.id)
    place.deployment(job_variables={"command": "other"})
    look(place, 70)
    assert len(seen) == 2
    assert seen[0].configuration == seen[1].configuration
    assert seen[0].attempt_id == seen[1].attempt_id


def test_no_answer_within_the_submit_timeout_is_given_up_and_launched_again(place: Installation) -> None:
    pool = place.pool(settings=PoolSettings(submit_timeout=100, reports=True))
    run = place.run(place.deployment(job_variables={"command": "x", "runner": True}).id)
    place.cloud.fail_before = [Unreachable("?") for _ in range(9)]
    dispatch(place.parts, pool.id)
    first = attempt_of(place, run)
    for _ in range(6):
        look(place, 70)
    assert place.row(run).infrastructure_retries == 1
    assert first in place.cloud.stopped_before_start
    place.cloud.fail_before = []
    place.clock.advance(60)
    dispatch(place.parts, pool.id)
    assert attempt_of(place, run) != first
    assert first not in place.cloud.starts


def test_infrastructure_retries_end(place: Installation) -> None:
    pool = place.pool(settings=PoolSettings(infrastructure_retries=2))
    run = place.run(place.deployment(job_variables={"command": "x", "runner": True}).id)
    for _ in range(3):
        place.clock.advance(60)
        dispatch(place.parts, pool.id)
        next(iter(place.cloud.alive().values())).end(1)
        look(place, 2)
    row = place.row(run)
    assert (row.state_type, row.infrastructure_retries, row.run_count) == ("CRASHED", 2, 0)
    assert sum(place.cloud.starts.values()) == 3


# -- admission --------------------------------------------------------------------------------------------------------


def started(place: Installation) -> tuple[UUID, UUID, str]:
    """A run under the runner that was launched: run, attempt, nonce."""
    pool = place.pool()
    run = place.run(place.deployment(job_variables={"command": "x", "runner": True, "env": {"SECRET": "s"}}).id)
    dispatch(place.parts, pool.id)
    ((attempt, container),) = place.cloud.alive().items()
    assert "SECRET" not in container.env
    return run, attempt, container.env["SKYLIFT_NONCE"]


def test_one_instance_is_admitted(place: Installation) -> None:
    run, attempt, nonce = started(place)
    sealer = place.parts.sealer
    with pytest.raises(ForbiddenError):
        place.store.transaction(admission.admit, sealer, attempt, "a", "guess")
    terms = place.store.transaction(admission.admit, sealer, attempt, "a", nonce)
    assert terms.env["SECRET"] == "s"
    with pytest.raises(ConflictError):
        place.store.transaction(admission.admit, sealer, attempt, "b", nonce)
    again = place.store.transaction(admission.admit, sealer, attempt, "a", nonce)
    assert again.token != terms.token
    assert kinds(place, run).count("first word") == 1


def test_the_last_word_decides_and_frees_the_slot(place: Installation) -> None:
    run, attempt, nonce = started(place)
    place.store.transaction(admission.admit, place.parts.sealer, attempt, "a", nonce)
    word = Ended(instance="a", outcome="failed", reason="ValueError: no")
    place.store.transaction(admission.end, attempt, word)
    assert place.row(run).state_type == "FAILED"
    assert message(place, run) == "ValueError: no"
    assert not place.rows(attempts_table)
    with pytest.raises(GoneError):
        place.store.transaction(admission.end, attempt, word)


def test_a_silent_end_after_the_first_word_is_a_crash(place: Installation) -> None:
    run, attempt, nonce = started(place)
    place.store.transaction(admission.admit, place.parts.sealer, attempt, "a", nonce)
    place.cloud.containers[attempt].end(0)
    look(place, 91)
    assert place.row(run).state_type == "CRASHED"
    assert place.row(run).infrastructure_retries == 0


def test_missed_heartbeats_ask_the_provider_and_crash_nothing(place: Installation) -> None:
    run, attempt, nonce = started(place)
    place.store.transaction(admission.admit, place.parts.sealer, attempt, "a", nonce)
    look(place, 1000)
    assert place.row(run).state_type == "PENDING"
    assert place.cloud.alive()


def test_no_first_word_in_time_is_given_up(place: Installation) -> None:
    run, attempt, nonce = started(place)
    for _ in range(4):
        look(place, 300)
    with pytest.raises(GoneError):
        place.store.transaction(admission.admit, place.parts.sealer, attempt, "late", nonce)
    look(place, 5)
    assert place.row(run).state_name == "AwaitingRetry"
    assert not place.cloud.alive()


# -- cancelling -------------------------------------------------------------------------------------------------------


def test_a_waiting_run_is_cancelled_at_once(place: Installation) -> None:
    place.pool()
    run = place.run(place.deployment().id)
    cancel(place, run)
    assert place.row(run).state_type == "CANCELLED"
    assert not place.rows(due)


def test_a_running_one_is_cancelled_when_the_provider_confirms(place: Installation) -> None:
    pool = place.pool(concurrency_limit=1)
    deployment = place.deployment()
    run = place.run(deployment.id)
    dispatch(place.parts, pool.id)
    other = place.run(deployment.id)
    place.cloud.stubborn = True
    cancel(place, run)
    look(place, 5)
    assert place.row(run).state_type == "CANCELLING"
    assert dispatch(place.parts, pool.id).claimed == 0, "its slot is occupied until it is gone"
    next(iter(place.cloud.alive().values())).end(137)
    look(place, 31)
    assert place.row(run).state_type == "CANCELLED"
    assert dispatch(place.parts, pool.id).launched == 1
    assert place.row(other).state_type == "PENDING"


def test_cancelled_between_claim_and_launch_starts_nothing(place: Installation) -> None:
    pool = place.pool()
    run = place.run(place.deployment().id)
    place.store.transaction(claim, pool.id, owner=uuid4(), limit=10)
    cancel(place, run)
    look(place)
    assert place.row(run).state_type == "CANCELLED"
    assert not place.cloud.starts


def test_a_launch_under_way_while_it_is_cancelled_starts_nothing_for_good(place: Installation) -> None:
    pool = place.pool()
    run = place.run(place.deployment().id)
    place.cloud.fail_before = [Crash()]
    with pytest.raises(Crash):
        dispatch(place.parts, pool.id)
    cancel(place, run)
    look(place, 1)
    assert place.row(run).state_type == "CANCELLED"
    assert place.cloud.stopped_before_start


def test_a_deleted_run_holds_its_slot_until_it_is_gone(place: Installation) -> None:
    pool = place.pool(concurrency_limit=1)
    deployment = place.deployment()
    run = place.run(deployment.id)
    dispatch(place.parts, pool.id)
    place.cloud.stubborn = True
    place.store.transaction(runs.delete_many, [run])
    place.run(deployment.id)
    look(place)
    assert dispatch(place.parts, pool.id).claimed == 0
    next(iter(place.cloud.alive().values())).end(137)
    look(place)
    assert dispatch(place.parts, pool.id).launched == 1


def test_a_retry_waits_for_the_old_container(place: Installation) -> None:
    pool = place.pool()
    run = place.run(place.deployment().id)
    dispatch(place.parts, pool.id)
    place.cloud.stubborn = True
    forced = StateCreate(type=StateType.FAILED)
    place.store.transaction(proposals.propose, run, forced, Author.PERSON, force=True)
    place.store.transaction(proposals.propose, run, StateCreate(type=StateType.SCHEDULED), Author.PERSON)
    assert dispatch(place.parts, pool.id).claimed == 0
    look(place)
    next(iter(place.cloud.alive().values())).end(137)
    look(place)
    assert dispatch(place.parts, pool.id).launched == 1
    assert place.row(run).state_type == "PENDING"


# -- limits, priority, pauses, quota ----------------------------------------------------------------------------------


def test_queues_go_in_waterfall_order(place: Installation) -> None:
    pool = place.pool(concurrency_limit=3)
    place.queue("critical", priority=1, concurrency_limit=1)
    place.queue("high", priority=2)
    deployment = place.deployment()
    low = [place.run(deployment.id) for _ in range(3)]
    high = [place.run(deployment.id, queue="high") for _ in range(2)]
    critical = [place.run(deployment.id, queue="critical") for _ in range(2)]
    place.clock.advance(1)
    dispatch(place.parts, pool.id)
    pending = {run for run, state in place.states().items() if state == "PENDING"}
    assert pending == {critical[0], *high}
    assert not pending & set(low)


def test_a_new_queue_shifts_those_below_it(place: Installation) -> None:
    place.pool()
    place.queue("a", priority=1)
    place.queue("b", priority=2)
    place.queue("z", priority=9)
    place.queue("new", priority=1)
    with place.store.reading() as tx:
        found = {row.name: row.priority for row in pools.queues_of(tx, pools.by_name(tx, "pool").id)}
    assert found == {"new": 1, "a": 2, "b": 3, "default": 4, "z": 9}


@pytest.mark.parametrize("strategy", ["ENQUEUE", "CANCEL_NEW"])
def test_a_deployment_at_its_limit(place: Installation, strategy: str) -> None:
    pool = place.pool()
    limited = place.deployment("limited", concurrency_limit=1, concurrency_options={"collision_strategy": strategy})
    mine = [place.run(limited.id) for _ in range(3)]
    other = place.run(place.deployment("free").id)
    dispatch(place.parts, pool.id)
    states = place.states()
    waiting = "SCHEDULED" if strategy == "ENQUEUE" else "CANCELLED"
    assert [states[run] for run in mine] == ["PENDING", waiting, waiting]
    assert states[other] == "PENDING"


def test_paused_holds_without_losing(place: Installation) -> None:
    pool = place.pool()
    queue = place.queue("q")
    run = place.run(place.deployment().id, queue="q")
    place.store.transaction(pools.update_queue, queue.id, WorkQueueUpdate(is_paused=True))
    assert dispatch(place.parts, pool.id).claimed == 0
    place.store.transaction(pools.update_queue, queue.id, WorkQueueUpdate(is_paused=False))
    place.store.transaction(pools.update_pool, "pool", WorkPoolUpdate(is_paused=True))
    assert dispatch(place.parts, pool.id).claimed == 0
    place.store.transaction(pools.update_pool, "pool", WorkPoolUpdate(is_paused=False))
    assert dispatch(place.parts, pool.id).launched == 1
    assert place.row(run).state_type == "PENDING"


def test_the_quota_leaves_runs_scheduled_until_there_are_tokens(place: Installation) -> None:
    place.cloud.allowed = Quota(rate=2, burst=3)
    pool = place.pool()
    deployment = place.deployment()
    for _ in range(10):
        place.run(deployment.id)
    assert dispatch(place.parts, pool.id).launched == 3
    assert sorted(place.states().values()).count("SCHEDULED") == 7
    assert dispatch(place.parts, pool.id).launched == 0
    place.clock.advance(1)
    assert dispatch(place.parts, pool.id).launched == 2


def test_a_quota_below_a_claims_size_wakes_nobody_while_nothing_is_due(
    place: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.cloud.allowed = Quota(rate=20, burst=3)
    pool = place.pool()
    place.run(place.deployment().id)
    sent: list[Wakeup] = []
    monkeypatch.setattr(place.store.wakeups, "send", lambda wakeup, at: sent.append(wakeup))
    assert dispatch(place.parts, pool.id).launched == 1
    assert Dispatch(pool.id) not in sent


def test_the_timeline_of_a_cancelled_waiting_run_leaves_no_attempt(place: Installation) -> None:
    pool = place.pool(is_paused=True)
    run = place.run(place.deployment().id)
    dispatch(place.parts, pool.id)
    cancel(place, run)
    assert not place.rows(ended_attempts)
    assert kinds(place, run) == ["created", "cancelled"]
