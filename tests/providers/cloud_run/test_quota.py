"""Launches are paced so that Google never has to refuse one: by region, and by what a launch costs."""

from __future__ import annotations

import pytest

from skylift.provider import Quota, Throttled
from skylift_cloud_run import limits
from tests.clouds.google import LocalGoogle
from tests.providers.cloud_run.support import JOBS, PROJECT, configuration, new_provider, under_runner, until
from tests.providers.contract import new_launch, watch

RUNS_A_MINUTE = WRITES_A_MINUTE = 180


def granted(quota: Quota, count: int) -> list[float]:
    """The instants (s) at which a token bucket lets that many launches go that are all due at once."""
    return [max(0.0, (number - quota.burst + 1) / quota.rate) for number in range(count)]


@pytest.mark.parametrize(("runner", "cost"), [(True, 1), (False, 2)])
def test_a_thousand_runs_at_once_stay_within_every_minute(runner: bool, cost: int) -> None:
    quota = limits.quota({"project": PROJECT, "region": "europe-west1", "runner": runner})
    at = granted(quota, 1000)
    assert max(cost * sum(start <= each < start + 60 for each in at) for start in at) <= RUNS_A_MINUTE
    bound = 1000 * cost / RUNS_A_MINUTE * 60
    assert at[-1] <= bound * 1.35, "the first minute's burst is what it costs never to be refused"


def test_a_bucket_is_of_a_project_and_region(cloud: LocalGoogle) -> None:
    provider = new_provider()
    assert provider.quota({"project": "p1", "region": "europe-west1"}) == Quota(2.6, 20, "cloud-run/p1/europe-west1")
    other = provider.quota({"project": "p1", "region": "us-east1", "runner": False})
    assert other == Quota(1.1, 20, "cloud-run/p1/us-east1")
    from_key = {"credentials": {"project": "of-the-block"}, "region": "us-east1"}
    assert str(provider.quota(from_key)).count("of-the-block")


def test_a_pool_whose_project_is_not_known_has_a_bucket_of_its_own(cloud: LocalGoogle) -> None:
    assert new_provider().quota({}) == Quota(2.6, 20, None)
    assert new_provider().quota({"region": "Mars"}) == Quota(2.6, 20, None)


def test_the_local_google_counts_as_the_real_one_does(cloud: LocalGoogle) -> None:
    cloud.quotas = {"Job run requests": 3}
    provider = new_provider()
    for _ in range(3):
        provider.launch(new_launch(under_runner(["true"])))
    with pytest.raises(Throttled, match="Job run requests per minute per region") as caught:
        provider.launch(new_launch(under_runner(["true"])))
    assert caught.value.retry_after
    with pytest.raises(Throttled):
        provider.launch(new_launch(configuration(["true"], {})))


def test_a_run_costs_as_many_writes_as_the_quota_says(cloud: LocalGoogle) -> None:
    provider = new_provider()
    for make, writes in ((under_runner(["true"]), 1), (configuration(["true"], {}), 2)):
        provider.launch(new_launch(make))
        before = _writes(cloud)
        launch = new_launch(make)
        watched = watch(launch, provider.launch(launch))
        until(provider, watched, "ended")
        provider.cleanup(watched)
        assert _writes(cloud) - before == writes


def _writes(cloud: LocalGoogle) -> int:
    names = (f"{JOBS}.create", f"{JOBS}.patch", f"{JOBS}.delete", f"{JOBS}.executions.delete")
    return sum(cloud.journal.count(name) for name in names)
