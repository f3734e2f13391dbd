"""One bad row, one bad answer, one bad moment: what it touches suffers, and nothing else does."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import update

from skylift import new_runs, observe, schedule
from skylift.dispatch import dispatch
from skylift.errors import InvalidError
from skylift.models.runs import FlowRunUpdate
from skylift.models.schedules import IntervalSchedule
from skylift.provider import Observation, Rejected, Unreachable, Watched
from skylift.security.sealing import Sealer
from skylift.store import late as lateness
from skylift.store import runs, timeline
from skylift.store.tables import attempts, deployment_schedules, ended_attempts, flow_runs, log_batches, work_queues
from tests.support.cloud import TEMPLATE, Cloud
from tests.support.installation import START, Installation


def look(place: Installation, seconds: float = 61) -> None:
    place.clock.advance(seconds)
    observe.observe(place.parts)


# -- rendering --------------------------------------------------------------------------------------------------------


def test_a_run_that_cannot_be_composed_crashes_alone(place: Installation) -> None:
    variables: dict[str, Any] = {"properties": {"command": {}, "env": {}, "cpu": {}, "runner": {"default": False}}}
    pool = place.pool(base_job_template={**TEMPLATE, "variables": variables})
    bad = place.run(place.deployment("bad", job_variables={"command": "x", "env": ["A=s3cret"]}).id)
    good = place.run(place.deployment("good").id)
    dispatch(place.parts, pool.id)
    states = place.states()
    assert (states[bad], states[good]) == ("CRASHED", "PENDING")
    assert len(place.cloud.alive()) == 1


# -- observing --------------------------------------------------------------------------------------------------------


def test_a_request_that_no_key_opens_does_not_blind_the_others(place: Installation) -> None:
    pool = place.pool()
    deployment = place.deployment()
    bad, good = place.run(deployment.id), place.run(deployment.id)
    dispatch(place.parts, pool.id)
    for container in place.cloud.alive().values():
        container.end(0)

    def lose_the_key(tx: Any) -> None:
        sealed = Sealer(Fernet.generate_key().decode()).seal({})
        tx.run(update(attempts).where(attempts.c.flow_run_id == bad).values(request=sealed))

    place.store.transaction(lose_the_key)
    look(place)
    assert place.states() == {bad: "COMPLETED", good: "COMPLETED"}
    look(place)
    assert not place.cloud.containers, "what an unreadable attempt left is cleaned as well"


def test_a_defect_of_a_provider_at_one_attempt_does_not_blind_the_others(place: Installation) -> None:
    pool = place.pool()
    deployment = place.deployment()
    bad, good = place.run(deployment.id), place.run(deployment.id)
    dispatch(place.parts, pool.id)
    for container in place.cloud.alive().values():
        container.end(0)
    real = place.cloud._observe

    def fails(attempt_id: UUID) -> Observation:
        if place.cloud.containers[attempt_id].launch.flow_run_id == bad:
            raise KeyError("lastStatus")
        return real(attempt_id)

    place.cloud._observe = fails  # type: ignore[method-assign]
    look(place)
    assert place.states() == {bad: "PENDING", good: "COMPLETED"}


def test_gone_is_not_believed_where_the_stop_did_not_come_through(place: Installation) -> None:
    """A launch without an answer may be under way: without the stop's mark it could still start something."""
    pool = place.pool()
    run = place.run(place.deployment().id)
    place.cloud.fail_before = [Unreachable("?")]
    dispatch(place.parts, pool.id)
    place.store.transaction(runs.delete_many, [run])
    place.cloud.stop = _unreachable  # type: ignore[method-assign]
    look(place, 1)
    assert place.rows(attempts), "its slot is held until the provider has heard of the stop"
    del place.cloud.stop
    look(place, 61)
    assert not place.rows(attempts)


def _unreachable(watched: Watched, grace: float) -> None:
    raise Unreachable("The network is down")


def test_a_provider_that_is_not_installed_here_keeps_nobody_busy(place: Installation) -> None:
    pool = place.pool()
    place.run(place.deployment().id)
    dispatch(place.parts, pool.id)
    next(iter(place.cloud.alive().values())).end(0)
    look(place)
    run = place.run(place.deployment().id)
    dispatch(place.parts, pool.id)

    def elsewhere(tx: Any) -> None:
        tx.run(update(ended_attempts).values(provider_type="other:push", cleanup_at=START))
        tx.run(update(attempts).values(provider_type="other:push", look_at=START))

    place.store.transaction(elsewhere)
    look(place)
    with place.store.reading() as tx:
        at = observe.next_look(tx, place.parts.providers.types)
    assert at is None, "or observe would call itself without end"
    (row,) = place.rows(attempts)
    assert (row.flow_run_id, row.look_at) == (run, START), "another process, which has the provider, finds it due"


def test_a_container_that_stays_after_its_last_word_is_stopped(place: Installation) -> None:
    from skylift import admission
    from skylift.models.runs import Ended

    pool = place.pool()
    place.run(place.deployment(job_variables={"command": "x", "runner": True}).id)
    dispatch(place.parts, pool.id)
    ((attempt, container),) = place.cloud.alive().items()
    nonce = container.env["SKYLIFT_NONCE"]
    place.store.transaction(admission.admit, place.parts.sealer, attempt, "a", nonce)
    place.store.transaction(admission.end, attempt, Ended(instance="a", outcome="completed"))
    look(place, 60)
    assert place.cloud.alive(), "it gets a while to end by itself"
    for _ in range(3):
        look(place, 301)
    assert not place.cloud.containers


# -- output -----------------------------------------------------------------------------------------------------------


@dataclass
class Talker(Cloud):
    """Holds its commands' output; says so much of it in one answer."""

    said: list[str] = field(default_factory=list)
    page: int = 30_000

    def output_since(self, watched: Watched, offset: int) -> tuple[list[tuple[datetime, str]], int]:
        lines = [(START + timedelta(microseconds=i), self.said[i]) for i in range(len(self.said))]
        part = lines[offset : offset + self.page]
        return part, offset + len(part)


@pytest.fixture
def talker(place: Installation) -> Talker:
    made = Talker()
    place.cloud = made
    place.parts.providers._ready[made.type] = made
    return made


def test_all_output_of_a_command_is_kept(place: Installation, talker: Talker) -> None:
    pool = place.pool()
    run = place.run(place.deployment().id)
    dispatch(place.parts, pool.id)
    talker.said = [str(number) for number in range(75_000)]
    next(iter(talker.alive().values())).end(0)
    look(place)
    assert place.row(run).state_type == "COMPLETED"
    look(place)
    with place.store.reading() as tx:
        rows = tx.all(log_batches.select().where(log_batches.c.flow_run_id == run))
    assert sum(row.lines for row in rows) == 75_000


def test_output_that_cannot_be_had_does_not_hold_the_slot(place: Installation, talker: Talker) -> None:
    pool = place.pool()
    run = place.run(place.deployment().id)
    dispatch(place.parts, pool.id)
    next(iter(talker.alive().values())).end(0)

    def broken(watched: Watched, offset: int) -> Any:
        raise OSError("disk")

    talker.output_since = broken  # type: ignore[method-assign]
    look(place)
    assert place.row(run).state_type == "COMPLETED"


# -- the tick ---------------------------------------------------------------------------------------------------------


def test_a_schedule_that_cannot_be_read_does_not_stop_the_others(place: Installation) -> None:
    from skylift.models.flows import ScheduleCreate

    place.pool()
    every = ScheduleCreate(schedule=IntervalSchedule(interval=timedelta(hours=1)))
    bad = place.deployment("bad", schedules=[every])
    good = place.deployment("good", schedules=[every])

    def spoil(tx: Any) -> None:
        mine = deployment_schedules.c.deployment_id == bad.id
        tx.run(update(deployment_schedules).where(mine).values(schedule={"cron": "x"}, tick_at=START))

    place.store.transaction(spoil)
    schedule.schedule(place.parts)
    made = {row.deployment_id for row in place.rows(flow_runs)}
    assert made == {good.id}
    with place.store.reading() as tx:
        at = schedule.next_tick(tx)
    assert at
    assert at > place.clock.at, "it is tried again, but not in a hot loop"


def test_a_run_deleted_while_it_is_marked_late_is_passed_over(place: Installation) -> None:
    place.pool()
    deployment = place.deployment()
    gone, late = place.run(deployment.id), place.run(deployment.id)
    place.store.transaction(runs.delete_many, [gone])
    assert place.store.transaction(lateness.mark, [gone, late]) == 1


def test_a_run_made_while_its_queue_was_deleted_finds_another(place: Installation) -> None:
    pool, queue = place.pool(), place.queue("q")
    run = place.run(place.deployment().id, queue="q")
    place.store.transaction(lambda tx: tx.run(work_queues.delete().where(work_queues.c.id == queue.id)))
    place.clock.advance(20)
    schedule.schedule(place.parts)
    assert dispatch(place.parts, pool.id).launched == 1
    assert place.row(run).work_queue_id == pool.default_queue_id


# -- what is written later is checked as well -------------------------------------------------------------------------


def test_job_variables_of_a_run_are_checked_when_they_change(place: Installation) -> None:
    place.pool()
    run = place.run(place.deployment().id)
    with pytest.raises(InvalidError, match="cpu"):
        place.store.transaction(new_runs.change, run, FlowRunUpdate(job_variables={"cpu": 99}))
    place.store.transaction(new_runs.change, run, FlowRunUpdate(job_variables={"cpu": 4}))
    assert place.row(run).job_variables == {"cpu": 4}


# -- secrets ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [Rejected, Unreachable])
def test_what_a_provider_echoes_is_redacted(
    place: Installation, error: type[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKEN_FOR_TEMPLATES", "s3cret-value")
    settings = place.parts.settings.model_copy(update={"template_env": ("TOKEN_FOR_TEMPLATES",)})
    object.__setattr__(place.parts, "settings", settings)
    template = {
        **TEMPLATE,
        "job_configuration": TEMPLATE["job_configuration"] | {"env": {"T": "{{ $TOKEN_FOR_TEMPLATES }}"}},
    }
    pool = place.pool(base_job_template=template)
    run = place.run(place.deployment().id)
    place.cloud.fail_before = [error("Invalid environment T=s3cret-value", remedy="Do without s3cret-value")]
    dispatch(place.parts, pool.id)
    with place.store.reading() as tx:
        lines = [f"{row.message} {row.remedy}" for row in timeline.read(tx, run)]
        states = [str(state.message) for state in runs.history(tx, run)]
    assert "Invalid environment" in str(lines)
    assert "s3cret-value" not in str(lines + states)


def test_a_defects_words_are_not_logged(place: Installation, caplog: pytest.LogCaptureFixture) -> None:
    pool = place.pool()
    place.run(place.deployment().id)
    place.cloud.fail_before = [ValueError("not a number: 's3cret-value'")]
    with caplog.at_level(logging.DEBUG):
        dispatch(place.parts, pool.id)
    assert "ValueError" in caplog.text
    assert "s3cret-value" not in caplog.text
