"""The jobs that runs share: one for each content, renewed, collected; and attempts of which two executions began."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from skylift.provider import Launch, Rejected
from skylift_cloud_run import CloudRunProvider, listing, shared_jobs
from tests.clouds.google import LocalGoogle
from tests.providers.cloud_run.support import JOBS, SharedJobHarness, job_body, new_provider, under_runner, until
from tests.providers.contract import new_launch, wait_for, watch

OURS = uuid4()
"""One installation for many launches."""
ADMIT = 'mkdir "{folder}/$SKYLIFT_ATTEMPT" 2>/dev/null || exit 0; {then}'
"""What the runner does first: one container is admitted, any other ends with 0 before user code."""


@pytest.fixture
def provider(cloud: LocalGoogle) -> CloudRunProvider:
    return new_provider()


def admitted(folder: Path, then: str) -> Launch:
    return new_launch(under_runner(["sh", "-c", ADMIT.format(folder=folder, then=then)]))


def double(cloud: LocalGoogle, launch: Launch) -> list[str]:
    """Two processes launch the same attempt, the first being frozen between its last check and its request."""
    held = cloud.mischief.order(f"{JOBS}.run", "hold")
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(new_provider().launch, launch)
        assert held.reached.wait(10)
        quick = new_provider().launch(launch)
        wait_for(lambda: len(cloud.containers.all), lambda count: count == 1, 10)
        held.released.set()
        handles = [quick, slow.result(10)]
    assert sorted(handles) == sorted(cloud.run.executions), "Cloud Run began two"
    return handles


def test_many_runs_make_one_job(cloud: LocalGoogle, provider: CloudRunProvider) -> None:
    launches = [new_launch(under_runner(["true"]), installation_id=OURS) for _ in range(40)]
    with ThreadPoolExecutor(8) as pool:
        handles = list(pool.map(provider.launch, launches))
    assert len(set(handles)) == 40
    assert (len(cloud.run.jobs), cloud.journal.count(f"{JOBS}.create")) == (1, 1)
    assert cloud.journal.count(f"{JOBS}.run") == 40
    assert cloud.journal.count(f"{JOBS}.executions.list") < 10


def test_another_content_is_another_job(cloud: LocalGoogle, provider: CloudRunProvider) -> None:
    for memory in ("512Mi", "1Gi", "1Gi"):
        provider.launch(new_launch(under_runner(["true"], job_body=job_body(memory=memory))))
    assert len(cloud.run.jobs) == 2


def test_of_two_executions_one_is_admitted_and_its_end_counts(
    cloud: LocalGoogle, provider: CloudRunProvider, tmp_path: Path
) -> None:
    launch = admitted(tmp_path, "sleep 1; exit 3")
    handles = double(cloud, launch)
    wait_for(lambda: sum(each.ended_at is not None for each in cloud.run.executions.values()), bool, 10)
    for handle in (*handles, None):
        assert provider.status([watch(launch, handle)])[launch.attempt_id].phase == "running"
    for handle in (*handles, None):
        assert until(provider, watch(launch, handle), "ended").exit_code == 3
    assert new_provider().launch(launch) in handles
    assert len(cloud.containers.all) == 2
    provider.cleanup(watch(launch, handles[0]))
    assert SharedJobHarness(cloud).leftovers() == []


def test_a_stop_reaches_both_executions(cloud: LocalGoogle, provider: CloudRunProvider, tmp_path: Path) -> None:
    launch = new_launch(under_runner(["sleep", "60"]))
    handles = double(cloud, launch)
    wait_for(lambda: len(cloud.containers.alive()), lambda count: count == 2, 10)
    provider.stop(watch(launch, handles[0]), 0)
    assert until(provider, watch(launch, handles[1]), "ended").exit_code is None
    assert not cloud.containers.alive()


def test_both_executions_are_one_stray(cloud: LocalGoogle, provider: CloudRunProvider) -> None:
    launch = new_launch(under_runner(["sleep", "60"]))
    handles = double(cloud, launch)
    (found,) = provider.list_attempts(launch.installation_id, launch.configuration)
    assert (found.attempt_id, found.handle in handles) == (launch.attempt_id, True)
    provider.stop(found, 0)
    until(provider, found, "ended")
    provider.cleanup(found)
    assert SharedJobHarness(cloud).leftovers() == []
    assert provider.list_attempts(launch.installation_id, launch.configuration) == []


def test_a_job_that_somebody_deleted_is_made_again(cloud: LocalGoogle, provider: CloudRunProvider) -> None:
    provider.launch(new_launch(under_runner(["true"])))
    cloud.run.jobs.clear()
    launch = new_launch(under_runner(["true"]))
    assert until(provider, watch(launch, provider.launch(launch)), "ended").exit_code == 0


def test_a_tag_is_looked_up_again_and_a_digest_is_not(
    cloud: LocalGoogle, provider: CloudRunProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cloud Run finds out what a tag means when a job is made or changed, and keeps to that."""
    digest = job_body("europe-docker.pkg.dev/acme/flows/etl@sha256:" + "0" * 64)
    configurations = [under_runner(["true"]), under_runner(["true"], job_body=digest)]
    for each in configurations:
        provider.launch(new_launch(each))
    monkeypatch.setattr(shared_jobs, "RENEWED", 0.0)
    for each in configurations:
        provider.launch(new_launch(each))
    (renewed,) = cloud.journal.calls(f"{JOBS}.patch")
    assert renewed.body["body"]["template"]["template"]["containers"][0]["image"].endswith("etl:1")


def test_a_job_whose_image_came_late_is_tried_again(cloud: LocalGoogle, provider: CloudRunProvider) -> None:
    body = job_body("europe-docker.pkg.dev/acme/flows/missing:1")
    with pytest.raises(Rejected, match="CONTAINER_MISSING") as caught:
        provider.launch(new_launch(under_runner(["true"], job_body=body)))
    assert "image" in str(caught.value.remedy)
    cloud.run.missing_images.clear()
    launch = new_launch(under_runner(["true"], job_body=body))
    assert until(provider, watch(launch, provider.launch(launch)), "ended").exit_code == 0


def test_a_job_that_nobody_runs_any_more_is_collected(cloud: LocalGoogle, provider: CloudRunProvider) -> None:
    launch = new_launch(under_runner(["true"]))
    watched = watch(launch, provider.launch(launch))
    until(provider, watched, "ended")
    (job,) = cloud.run.jobs.values()
    job.created_at -= timedelta(days=3)
    job.updated_at -= timedelta(days=3)
    provider.list_attempts(launch.installation_id, launch.configuration)
    assert cloud.run.jobs, "it has an execution"
    provider.cleanup(watched)
    stranger = new_launch(launch.configuration)
    provider.list_attempts(stranger.installation_id, launch.configuration)
    assert cloud.run.jobs, "it is another installation's"
    provider.list_attempts(launch.installation_id, launch.configuration)
    assert not cloud.run.jobs


def test_a_job_that_is_run_while_it_is_collected_stays(cloud: LocalGoogle, provider: CloudRunProvider) -> None:
    launch = new_launch(under_runner(["true"]))
    watched = watch(launch, provider.launch(launch))
    until(provider, watched, "ended")
    provider.cleanup(watched)
    for job in cloud.run.jobs.values():
        job.created_at -= timedelta(days=3)
        job.updated_at -= timedelta(days=3)
    held = cloud.mischief.order(f"{JOBS}.delete", "hold")
    with ThreadPoolExecutor(1) as pool:
        sweep = pool.submit(new_provider().list_attempts, launch.installation_id, launch.configuration)
        assert held.reached.wait(10)
        late = new_launch(under_runner(["sleep", "60"]))
        handle = provider.launch(late)
        held.released.set()
        sweep.result(10)
    assert until(provider, watch(late, handle), "running").handle == handle


def test_what_is_to_be_kept_is_kept_and_is_no_stray(cloud: LocalGoogle, provider: CloudRunProvider) -> None:
    launch = new_launch(under_runner(["true"], keep_job=True))
    watched = watch(launch, provider.launch(launch))
    until(provider, watched, "ended")
    provider.cleanup(watched)
    assert len(cloud.run.executions) == 1
    assert provider.list_attempts(launch.installation_id, launch.configuration) == []
    cloud.run.executions.clear()  # as whoever asked for that does at last


def test_a_listing_serves_the_launches_of_a_moment(cloud: LocalGoogle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "KEPT", 3600.0)
    provider = new_provider()
    for _ in range(5):
        provider.launch(new_launch(under_runner(["true"])))
    assert cloud.journal.count(f"{JOBS}.executions.list") == 1
    cloud.mischief.order(f"{JOBS}.run", "lose_answer")
    launch = new_launch(under_runner(["true"]))
    with pytest.raises(Exception, match="did not answer"):
        provider.launch(launch)
    assert provider.launch(launch) in cloud.run.executions
    assert cloud.journal.count(f"{JOBS}.run") == 6, "what an answer was lost of is looked for"
