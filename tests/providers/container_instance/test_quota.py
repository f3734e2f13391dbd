"""The bucket never lets more through than Azure allows, in no window of an hour or of five minutes."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skylift.provider import Quota, Throttled
from skylift_container_instance.place import Place
from skylift_container_instance.quota import BURST, LIMITS, RATE
from tests.clouds.azure import CREATIONS, RESOURCE_GROUP, SUBSCRIPTION, LocalAzure
from tests.providers.container_instance.support import ContainerInstanceHarness
from tests.providers.contract import new_launch


def drawn(demands: list[tuple[float, int]]) -> list[float]:
    """When tokens are taken by whoever asks (after so many seconds, for so many), as the core's bucket gives them."""
    tokens, now, taken = float(BURST), 0.0, []
    for pause, wanted in demands:
        now += pause
        tokens = min(BURST, tokens + pause * RATE)
        given_out = min(wanted, int(tokens))
        tokens -= given_out
        taken += [now] * given_out
    return taken


@given(
    st.lists(
        st.tuples(st.sampled_from([0.0, 1.0, 16.4, 60.0, 299.0, 1000.0, 3599.0]), st.integers(0, 400)), max_size=80
    )
)
def test_no_window_holds_more_than_azure_allows(demands: list[tuple[float, int]]) -> None:
    taken = drawn(demands)
    for most, window in LIMITS:
        for start in set(taken):
            assert sum(start <= each < start + window for each in taken) <= most


def test_the_greediest_come_close_to_the_limits() -> None:
    """Nothing much is given away: all that there is in an hour, by somebody who always asks."""
    taken = drawn([(1.0, 400)] * 3600)
    assert len(taken) >= 0.98 * 300


def test_the_limits_are_those_of_the_local_azure() -> None:
    assert sorted(LIMITS) == sorted(CREATIONS)


def test_pools_of_one_subscription_and_region_share(cloud: LocalAzure, harness: ContainerInstanceHarness) -> None:
    cloud.locations["elsewhere"] = "northeurope"
    asked = [
        harness.provider().quota({**cloud.variables(), **more})
        for more in ({}, {"location": "West Europe"}, {"resource_group_name": "elsewhere"}, {"location": "eastus"})
    ]
    keys = [each.key for each in asked if each]
    assert keys[0] == keys[1] == f"azure-container-instance/{SUBSCRIPTION}/westeurope"
    assert len(set(keys)) == 3
    assert cloud.journal.count("ResourceGroups_Get") == 2
    harness.provider().quota(cloud.variables())
    assert cloud.journal.count("ResourceGroups_Get") == 2, "the answer is remembered"


def test_an_azure_that_does_not_answer_is_no_obstacle(cloud: LocalAzure, harness: ContainerInstanceHarness) -> None:
    cloud.mischief.order("*", "break", times=100)
    found = harness.provider().quota(cloud.variables())
    assert found == Quota(RATE, BURST, f"azure-container-instance/{SUBSCRIPTION}/{RESOURCE_GROUP}")
    asked = len(cloud.journal.calls())
    begun = time.monotonic()
    harness.provider().quota(cloud.variables())
    assert len(cloud.journal.calls()) == asked, "it is not asked again at once"
    assert time.monotonic() - begun < 1
    assert harness.provider().quota({}) == Quota(RATE, BURST)


def test_beyond_the_limits_azure_says_when(cloud: LocalAzure, harness: ContainerInstanceHarness) -> None:
    """What the bucket is there to spare us: the local Azure counts as the real one does."""
    cloud.creations = ((2, 300.0),)
    provider = harness.provider()
    for _ in range(2):
        provider.launch(new_launch(harness.configuration("lines", {})))
    with pytest.raises(Throttled) as caught:
        provider.launch(new_launch(harness.configuration("lines", {})))
    assert caught.value.retry_after
    assert 290 < caught.value.retry_after <= 300
    assert len(cloud.left()) == 2


def test_places_compare_by_what_they_name() -> None:
    assert Place("s", "g") == Place("s", "g") != Place("s", "h")
