"""The slot ledger: what is made, what is skipped, and that nothing moves a slot."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from skylift import schedule
from skylift.dispatch import dispatch
from skylift.models.flows import DeploymentUpdate, ScheduleUpdate
from skylift.store import deployments
from skylift.store.tables import deployment_schedules, flow_runs, schedule_slots
from tests.support.installation import START, Installation

EVERY_MINUTE = {"schedule": {"interval": 60.0}}
HOURLY = {"schedule": {"cron": "30 * * * *", "timezone": "Europe/Berlin"}}


def deploy(place: Installation, *schedules: dict[str, Any], **values: Any) -> Any:
    return place.deployment(schedules=list(schedules), **values)


def slots(place: Installation) -> list[datetime]:
    return sorted(row.slot for row in place.rows(schedule_slots))


def made(place: Installation) -> list[datetime]:
    return sorted(row.slot for row in place.rows(schedule_slots) if row.flow_run_id)


def minutes(first: int, last: int) -> Sequence[datetime]:
    return [START + timedelta(minutes=minute) for minute in range(first, last + 1)]


def test_the_horizon(place: Installation) -> None:
    place.pool()
    deploy(place, EVERY_MINUTE, HOURLY, {"schedule": {"interval": 1.0}})
    schedule.schedule(place.parts)
    by_identity: dict[str, list[datetime]] = {}
    for row in place.rows(schedule_slots):
        by_identity.setdefault(row.identity, []).append(row.slot)
    counts = sorted(len(each) for each in by_identity.values())
    assert counts == [3, 75, 100]
    for each in by_identity.values():
        assert min(each) > START


def test_a_tick_that_has_nothing_to_do_writes_nothing(place: Installation) -> None:
    place.pool()
    deploy(place, EVERY_MINUTE)
    assert schedule.schedule(place.parts) == 1
    assert schedule.schedule(place.parts) == 0


def test_runs_carry_what_their_deployment_and_schedule_say(place: Installation) -> None:
    place.pool()
    queue = place.queue("fast")
    deploy(
        place,
        {**HOURLY, "parameters": {"b": 2}, "slug": "hourly"},
        parameters={"a": 1, "b": 1},
        tags=["t"],
        work_queue_name="fast",
    )
    schedule.schedule(place.parts)
    run = min(place.rows(flow_runs), key=lambda row: row.expected_start_time)
    assert run.parameters == {"a": 1, "b": 2}
    assert run.tags == ["auto-scheduled", "t"]
    assert run.work_queue_id == queue.id
    assert run.created_by["display_value"] == "hourly"
    assert run.auto_scheduled
    assert run.expected_start_time == START + timedelta(minutes=30)


@pytest.mark.parametrize("again", [{}, {"description": "new words"}])
def test_the_same_schedule_deployed_again_moves_nothing(place: Installation, again: dict[str, str]) -> None:
    place.pool()
    deploy(place, EVERY_MINUTE, HOURLY)
    schedule.schedule(place.parts)
    before = {(row.identity, row.slot, row.flow_run_id) for row in place.rows(schedule_slots)}
    place.clock.advance(17)
    deploy(place, HOURLY, EVERY_MINUTE, **again)
    schedule.schedule(place.parts)
    assert {(row.identity, row.slot, row.flow_run_id) for row in place.rows(schedule_slots)} == before


def test_what_shapes_runs_is_carried_over_to_those_to_come(place: Installation) -> None:
    place.pool()
    deploy(place, EVERY_MINUTE, parameters={"v": 1})
    schedule.schedule(place.parts)
    before = slots(place)
    place.clock.advance(60)
    deploy(place, EVERY_MINUTE, parameters={"v": 2})
    schedule.schedule(place.parts)
    runs = {row.expected_start_time: row.parameters["v"] for row in place.rows(flow_runs)}
    assert runs[before[0]] == 1, "it was due already"
    assert {runs[slot] for slot in before[1:]} == {2}
    assert set(before) <= set(slots(place))


def test_a_restart_at_any_moment_moves_nothing(place: Installation) -> None:
    place.pool()
    deploy(place, EVERY_MINUTE)
    for seconds in (0, 1, 59, 60, 61, 600, 3599, 3600):
        place.clock.at = START + timedelta(seconds=seconds)
        schedule.schedule(place.parts)
        schedule.schedule(place.parts)
    found = slots(place)
    assert found == list(minutes(1, len(found)))


def test_an_outage_of_a_day_leaves_every_slot_made_or_skipped(place: Installation) -> None:
    place.pool()
    deploy(place, EVERY_MINUTE)
    schedule.schedule(place.parts)
    last_before = max(slots(place))
    place.clock.advance(86400)
    while schedule.schedule(place.parts):
        pass
    now = place.clock.at
    found = slots(place)
    assert found == list(minutes(1, len(found)))
    assert max(found) >= now + timedelta(hours=1)
    skipped = [row for row in place.rows(schedule_slots) if row.skipped]
    assert {row.slot for row in skipped} == {slot for slot in found if last_before < slot < now - timedelta(hours=1)}
    assert {row.skipped for row in skipped} == {"Missed by more than the catch-up window of 3600 s"}


def test_a_database_that_is_away_for_a_moment_puts_no_schedule_off(
    place: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.pool()
    deploy(place, EVERY_MINUTE)
    place.clock.advance(3600)
    before = {row.id: row.tick_at for row in place.rows(deployment_schedules)}
    with monkeypatch.context() as patch:

        def is_cut_off(*_: Any, **__: Any) -> None:
            raise OperationalError("SELECT", {}, Exception("server closed the connection unexpectedly"))

        patch.setattr(schedule, "continue_ledgers", is_cut_off)
        with pytest.raises(OperationalError):
            schedule.schedule(place.parts)
    assert {row.id: row.tick_at for row in place.rows(deployment_schedules)} == before
    assert schedule.schedule(place.parts) == 1


def test_a_schedule_has_its_own_catch_up_window(place: Installation) -> None:
    place.pool()
    deploy(place, {**HOURLY, "catchup_seconds": 0})
    schedule.schedule(place.parts)
    place.clock.advance(86400)
    schedule.schedule(place.parts)
    assert [slot for slot in made(place) if START + timedelta(hours=4) < slot <= place.clock.at] == []


def test_switched_off_and_on_owes_nothing(place: Installation) -> None:
    place.pool()
    deployment = deploy(place, HOURLY)
    schedule.schedule(place.parts)
    (row,) = place.rows(deployment_schedules)
    change = deployments.update_schedule
    place.store.transaction(change, deployment.id, row.id, ScheduleUpdate(active=False))
    assert not slots(place)
    assert not place.rows(flow_runs)
    place.clock.advance(86400)
    schedule.schedule(place.parts)
    place.store.transaction(change, deployment.id, row.id, ScheduleUpdate(active=True))
    schedule.schedule(place.parts)
    assert min(slots(place)) > place.clock.at


def test_a_paused_deployment_has_no_runs_to_come(place: Installation) -> None:
    place.pool()
    deployment = deploy(place, HOURLY)
    schedule.schedule(place.parts)
    place.store.transaction(deployments.update_deployment, deployment.id, DeploymentUpdate(paused=True))
    assert not place.rows(flow_runs)
    schedule.schedule(place.parts)
    assert not place.rows(flow_runs)
    place.store.transaction(deployments.update_deployment, deployment.id, DeploymentUpdate(paused=False))
    schedule.schedule(place.parts)
    assert len(place.rows(flow_runs)) == 3


def test_a_paused_pool_does_not_pause_schedules(place: Installation) -> None:
    pool = place.pool(is_paused=True)
    deploy(place, EVERY_MINUTE)
    for _ in range(3):
        place.clock.advance(600)
        schedule.schedule(place.parts)
        dispatch(place.parts, pool.id)
    assert len([slot for slot in made(place) if slot <= place.clock.at]) == 30


def test_late_after_a_while(place: Installation) -> None:
    place.pool(is_paused=True)
    deployment = place.deployment()
    run = place.run(deployment.id, after=10)
    place.clock.advance(20)
    schedule.schedule(place.parts)
    assert place.row(run).state_name == "Scheduled"
    place.clock.advance(10)
    schedule.schedule(place.parts)
    row = place.row(run)
    assert (row.state_type, row.state_name) == ("SCHEDULED", "Late")
    assert row.next_scheduled_start_time == START + timedelta(seconds=10)
    assert schedule.mark_late(place.parts) == 0


def test_two_schedules_of_one_slug_are_refused(place: Installation) -> None:
    place.pool()
    with pytest.raises(Exception, match=r"schedules\.1"):
        deploy(place, {**HOURLY, "slug": "a"}, {**EVERY_MINUTE, "slug": "a"})


def test_a_changed_schedule_under_its_slug_takes_its_old_slots_back(place: Installation) -> None:
    place.pool()
    deploy(place, {**HOURLY, "slug": "a"})
    schedule.schedule(place.parts)
    deploy(place, {**EVERY_MINUTE, "slug": "a"})
    schedule.schedule(place.parts)
    assert slots(place)[:3] == list(minutes(1, 3))
    assert len(place.rows(flow_runs)) == len(slots(place))


def test_a_rule_that_ends_is_not_asked_again(place: Installation) -> None:
    place.pool()
    deploy(place, {"schedule": {"rrule": "DTSTART:20260301T130000\nRRULE:FREQ=DAILY;COUNT=2", "timezone": "UTC"}})
    schedule.schedule(place.parts)
    assert len(slots(place)) == 2
    (row,) = place.rows(deployment_schedules)
    assert row.tick_at is None


def test_what_one_transaction_has_no_room_for_is_left_to_the_next(place: Installation) -> None:
    place.pool()
    for number in range(12):
        deploy(place, {"schedule": {"interval": 1.0}}, name=f"each-second-{number}")
    ids = [row.id for row in place.rows(deployment_schedules)]
    left = place.store.transaction(schedule.continue_ledgers, ids, catchup=timedelta(hours=1))
    assert len(left) == 7
    assert len(slots(place)) == len(place.rows(flow_runs)) == 500
    assert schedule.schedule(place.parts) == 8, "the last one that had room does not know yet that it is done"
    assert len(slots(place)) == len(place.rows(flow_runs)) == 1200


def test_together_they_get_what_each_gets_alone(place: Installation) -> None:
    place.pool()
    strict = {**HOURLY, "catchup_seconds": 0, "slug": "strict"}
    every: list[dict[str, Any]] = [{"schedule": {"interval": 600.0}}, HOURLY, strict]
    alone, *others = [deploy(place, *every, name=f"d-{number}").id for number in range(5)]
    off = deploy(place, *every, name="off").id
    place.store.transaction(deployments.update_deployment, off, DeploymentUpdate(paused=True))

    def ledgers() -> dict[Any, set[tuple[str, datetime, bool]]]:
        found: dict[Any, set[tuple[str, datetime, bool]]] = {}
        for row in place.rows(schedule_slots):
            found.setdefault(row.deployment_id, set()).add((row.identity, row.slot, bool(row.flow_run_id)))
        return found

    for seconds in (0, 1800, 7 * 3600):
        place.clock.advance(seconds)
        for row in place.rows(deployment_schedules):
            if row.deployment_id == alone:
                place.store.transaction(schedule.continue_ledgers, [row.id], catchup=timedelta(hours=1))
        schedule.schedule(place.parts)
        found = ledgers()
        assert set(found) == {alone, *others}
        assert all(found[each] == found[alone] for each in others)
    assert {made for _, _, made in found[alone]} == {True, False}


def test_the_trouble_of_one_keeps_no_other_from_being_continued(place: Installation) -> None:
    place.pool()
    for number in range(6):
        deploy(place, HOURLY, name=f"d-{number}")
    broken = place.rows(deployment_schedules)[2]
    with place.store.engine.begin() as conn:
        change = deployment_schedules.update().where(deployment_schedules.c.id == broken.id)
        conn.execute(change.values(schedule={"cron": "at noon", "timezone": "UTC"}))
    schedule.schedule(place.parts)
    assert {row.deployment_id for row in place.rows(schedule_slots)} == {
        row.deployment_id for row in place.rows(deployment_schedules) if row.id != broken.id
    }
    (row,) = [row for row in place.rows(deployment_schedules) if row.id == broken.id]
    assert (row.cursor, row.tick_at) == (broken.cursor, START + schedule.AGAIN)
