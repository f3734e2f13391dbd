"""What Cloud Run says of executions and jobs, in every phase and for every reason, as observations."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from google.cloud import run_v2

from skylift.provider import Observation
from skylift_cloud_run.conditions import PASSING, SETUP, best_of, fault_of, observe, observe_job
from skylift_cloud_run.views import Condition, Execution, Job, Task
from tests.clouds import google_run
from tests.clouds.google import LocalGoogle
from tests.providers.cloud_run.support import configuration, job_body, new_provider, under_runner, until
from tests.providers.contract import new_launch, wait_for, watch

OURS = uuid4()
"""One installation for many launches."""
AT = datetime(2026, 1, 1, tzinfo=UTC)


def execution(state: str, reason: str = "", message: str = "", **more: Any) -> Execution:
    over = state in ("FAILED", "SUCCEEDED")
    facts: dict[str, Any] = {
        "name": "projects/p/locations/r/jobs/j/executions/j-run",
        "created_at": AT,
        "started_at": AT,
        "completed_at": AT + timedelta(seconds=5) if over else None,
        "tasks": 1,
        "succeeded": int(state == "SUCCEEDED"),
        "running": 0,
        "cancelled": 0,
        "conditions": {"Completed": Condition(state, reason, message)},
    }
    return Execution(**{**facts, **more})


def seen(of: Execution, *tasks: Task) -> Observation:
    return observe(of, lambda: tasks)


def job(state: str, reason: str = "", *, reconciling: bool = False) -> Job:
    return Job("projects/p/locations/r/jobs/j", {}, Condition(state, reason, "words"), reconciling, AT, AT, "etag")


def test_an_execution_without_a_container_is_starting() -> None:
    assert seen(execution("RECONCILING", started_at=None)).phase == "starting"
    assert seen(execution("RECONCILING", started_at=None, running=1)).phase == "running"
    assert seen(execution("RECONCILING")).phase == "running"


def test_completed_only_if_all_succeeded() -> None:
    assert seen(execution("SUCCEEDED")).exit_code == 0
    assert seen(execution("SUCCEEDED", tasks=2, succeeded=1)).exit_code is None
    assert seen(execution("SUCCEEDED", tasks=0, succeeded=0)).exit_code is None


def test_cancelled_is_not_succeeded_and_not_failed() -> None:
    for one in (execution("FAILED", "CANCELLED", "It was cancelled."), execution("FAILED", cancelled=1)):
        assert (seen(one).phase, seen(one).exit_code, seen(one).fault) == ("ended", None, None)
        assert seen(one).reason


@pytest.mark.parametrize(
    ("task", "code", "words", "remedy"),
    [
        (Task(3, 0, "The container exited with an error: exit(3).", True), 3, "exit(3)", None),
        (Task(0, 15, "The container was terminated by a signal.", True), 143, "signal", None),
        (Task(0, 9, "Memory limit exceeded: 64Mi", True), 137, "Memory limit", "memory"),
        (Task(1, 0, "Memory limit of 512 MiB exceeded with 519 MiB used.", True), 137, "Memory limit", "memory"),
        (Task(137, 0, "The container exited with an error.", True), 137, "perhaps it was short of memory", "memory"),
        (Task(0, 9, "The configured timeout was reached.", True), 137, "timeout", "timeout_seconds"),
    ],
)
def test_the_last_attempts_result_tells_how_it_ended(task: Task, code: int, words: str, remedy: str | None) -> None:
    found = seen(execution("FAILED", "NON_ZERO_EXIT_CODE", "0/1 tasks were a success."), task)
    assert (found.exit_code, found.fault) == (code, None)
    assert words in str(found.reason)
    assert (remedy or "") in str(found.remedy)


@pytest.mark.parametrize(
    ("message", "fault"),
    [
        ("Failed to access secret projects/p/secrets/x/versions/1", "setup"),
        ("Image 'x' not found.", "setup"),
        ("Resources are not available: no capacity is left", "capacity"),
        ("The service account does not exist", "setup"),
        ("Failed to mount the bucket", "setup"),
    ],
)
def test_what_never_began_says_why(message: str, fault: str) -> None:
    found = seen(execution("FAILED", "", "0/1 tasks were a success.", started_at=None), Task(0, 0, message, False))
    assert (found.exit_code, found.fault, found.reason) == (None, fault, message)
    assert found.remedy


def test_what_had_begun_and_ended_untold_is_no_fault_of_its_setup() -> None:
    found = seen(execution("FAILED", "JOB_STATUS_SERVICE_POLLING_ERROR", "Lost."))
    assert (found.exit_code, found.fault) == (None, None)
    assert "Lost." in str(found.reason)


def test_every_reason_of_the_api_is_known() -> None:
    reasons = {each.name for each in run_v2.Condition.CommonReason}
    unclear = {"COMMON_REASON_UNDEFINED", "UNKNOWN", "REVISION_FAILED"}
    assert reasons == set(SETUP) | PASSING | unclear
    for reason in reasons:
        fault, remedy = fault_of(Condition("FAILED", reason, ""))
        assert fault == ("capacity" if reason in PASSING else "setup")
        assert remedy


def test_a_job_whose_execution_is_not_there() -> None:
    assert observe_job(job("RECONCILING", reconciling=True)).phase == "starting"
    assert observe_job(job("PENDING")).phase == "starting"
    assert observe_job(job("SUCCEEDED")).phase == "gone"
    failed = observe_job(job("FAILED", "CONTAINER_MISSING"))
    assert (failed.phase, failed.fault, failed.reason) == ("ended", "setup", "CONTAINER_MISSING: words")
    assert observe_job(job("FAILED", "INTERNAL")).fault == "capacity"


def test_of_an_attempts_executions_the_one_that_runs_counts_then_the_one_that_failed() -> None:
    running, starting = Observation("running", "a"), Observation("starting", "b")
    loser, failed = Observation("ended", "c", 0), Observation("ended", "d", 3)
    assert best_of([loser, starting, running]) is running
    assert best_of([loser, starting]) is starting
    assert best_of([loser, failed]) is failed
    assert best_of([loser]) is loser


# -- over the wire -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("made", [configuration(["sleep", "0.3"], {}), under_runner(["sleep", "0.3"])])
def test_every_phase_is_seen(cloud: LocalGoogle, made: dict[str, Any]) -> None:
    cloud.run.starts_after = 0.3
    provider, launch = new_provider(), new_launch(made)
    watched = watch(launch, provider.launch(launch))
    phases = [until(provider, watched, phase).phase for phase in ("starting", "running", "ended")]
    assert phases == ["starting", "running", "ended"]
    provider.cleanup(watched)
    assert until(provider, watched, "gone").handle is None


def test_many_bare_commands_are_asked_about_by_one_listing(cloud: LocalGoogle) -> None:
    provider = new_provider()
    watched = []
    for _ in range(6):
        launch = new_launch(configuration(["sleep", "60"], {}))
        watched.append(watch(launch, provider.launch(launch)))
    wait_for(lambda: provider.status(watched), lambda now: {each.phase for each in now.values()} == {"running"}, 10)
    gets = cloud.journal.count("run.projects.locations.jobs.executions.get")
    assert {each.phase for each in provider.status(watched).values()} == {"running"}
    assert cloud.journal.count("run.projects.locations.jobs.executions.get") == gets


def test_many_runs_of_a_shared_job_are_asked_about_by_one_listing_with_its_pages(cloud: LocalGoogle) -> None:
    cloud.run.page_size = 4
    provider = new_provider()
    watched = []
    for _ in range(10):
        launch = new_launch(under_runner(["sleep", "60"]), installation_id=OURS)
        watched.append(watch(launch, provider.launch(launch)))
    wait_for(lambda: provider.status(watched), lambda now: {each.phase for each in now.values()} == {"running"}, 10)
    listing = "run.projects.locations.jobs.executions.list"
    before = cloud.journal.count(listing)
    found = provider.status([watch(new_launch(under_runner(["sleep", "60"]))), *watched])
    assert sorted(each.phase for each in found.values()) == ["gone"] + ["running"] * 10
    assert cloud.journal.count(listing) == before + 3


def test_a_task_that_takes_too_long_is_told_as_such(cloud: LocalGoogle) -> None:
    provider, launch = new_provider(), new_launch(configuration(["sleep", "60"], {}, timeout_seconds=1))
    ended = until(provider, watch(launch, provider.launch(launch)), "ended")
    assert "timeout" in str(ended.reason)
    assert ended.exit_code == 137


def test_no_room_for_an_execution_is_a_fault_of_capacity(cloud: LocalGoogle) -> None:
    cloud.run.no_room = True
    provider, launch = new_provider(), new_launch(under_runner(["true"]))
    ended = until(provider, watch(launch, provider.launch(launch)), "ended")
    assert (ended.fault, ended.exit_code) == ("capacity", None)
    assert ended.remedy


def test_several_tasks_of_a_bare_command_succeed_together(cloud: LocalGoogle) -> None:
    body = job_body()
    body["template"]["taskCount"] = 3
    provider = new_provider()
    for script, code in (("true", 0), ("exit $CLOUD_RUN_TASK_INDEX", 1)):
        launch = new_launch(configuration(["sh", "-c", script], {}, job_body=body))
        assert until(provider, watch(launch, provider.launch(launch)), "ended").exit_code == code
        assert len(cloud.containers.all) % 3 == 0


def test_what_a_person_cancels_is_not_completed(cloud: LocalGoogle) -> None:
    provider, launch = new_provider(), new_launch(configuration(["sleep", "60"], {}))
    handle = provider.launch(launch)
    until(provider, watch(launch, handle), "running")
    cloud.run.executions_cancel({"name": handle}, {}, {})
    ended = until(provider, watch(launch, handle), "ended")
    assert ended.exit_code is None
    assert "cancelled" in str(ended.reason)


def test_what_a_person_deletes_is_gone(cloud: LocalGoogle) -> None:
    provider, launch = new_provider(), new_launch(configuration(["sleep", "60"], {}))
    handle = provider.launch(launch)
    until(provider, watch(launch, handle), "running")
    cloud.run.executions_delete({"name": handle}, {}, {})
    assert until(provider, watch(launch, handle), "gone").exit_code is None


def test_a_stop_before_the_execution_is_there_keeps_it_from_starting(cloud: LocalGoogle) -> None:
    cloud.run.settles_after = 0.5
    provider, launch = new_provider(), new_launch(configuration(["true"], {}))
    watched = watch(launch, provider.launch(launch))
    provider.stop(watched, 0)
    assert until(provider, watched, "gone").phase == "gone"
    assert not wait_for(lambda: [*cloud.containers.all], bool, 0.8)


def test_cloud_run_itself_starts_nothing_twice_unless_asked_to(cloud: LocalGoogle) -> None:
    """Its own default is three retries."""
    provider, launch = new_provider(), new_launch(configuration(["sh", "-c", "exit 3"], {}))
    until(provider, watch(launch, provider.launch(launch)), "ended")
    body = job_body()
    body["template"]["template"]["maxRetries"] = 2
    again = new_launch(configuration(["sh", "-c", "exit 3"], {}, job_body=body))
    until(provider, watch(again, provider.launch(again)), "ended")
    counts = [
        sum(each.env["SKYLIFT_ATTEMPT"] == str(one.attempt_id) for each in cloud.containers.all.values())
        for one in (launch, again)
    ]
    assert counts == [1, 3]


def test_executions_that_google_itself_forgets_are_gone(cloud: LocalGoogle, monkeypatch: pytest.MonkeyPatch) -> None:
    """It keeps the last thousand of a job; ours are cleaned up long before."""
    monkeypatch.setattr(google_run, "RETAINED", 2)
    provider = new_provider()
    watched = []
    for _ in range(4):
        launch = new_launch(under_runner(["true"]))
        watched.append(watch(launch, provider.launch(launch)))
        until(provider, watched[-1], "ended")
    wait_for(lambda: len(cloud.run.executions), lambda count: count == 2, 5)
    phases = [provider.status([each])[each.attempt_id].phase for each in watched]
    assert phases == ["gone", "gone", "ended", "ended"]
