"""Answers are lost, calls refused and delayed at random: who goes on asking gets one start each, and no leftovers."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from skylift.provider import BusyError, Launch, ProviderError, Unreachable
from tests.clouds.azure import LocalAzure
from tests.clouds.containers import wait_until
from tests.providers.container_instance.support import ContainerInstanceHarness
from tests.providers.contract import T, new_launch, wait_for, watch

RUNS = 12


@pytest.mark.parametrize("operation", ["ContainerGroups_Stop", "ContainerGroups_Delete", "ContainerGroups_Get"])
def test_a_lost_answer(harness: ContainerInstanceHarness, cloud: LocalAzure, operation: str) -> None:
    """Each is done, or asked, once more, and that changes nothing. (A lost answer to the PUT: see the contract.)"""
    cloud.mischief.order(operation, "lose_answer", times=2)
    launch, provider = new_launch(harness.configuration("endless", {})), harness.provider()
    again(lambda: provider.launch(launch))
    phase = wait_for(
        lambda: again(lambda: provider.status([watch(launch)])[launch.attempt_id].phase),
        lambda seen: seen == "running",
        harness.patience,
    )
    assert phase == "running"
    again(lambda: provider.stop(watch(launch), 0))
    assert wait_until(lambda: not cloud.containers.alive())
    again(lambda: provider.cleanup(watch(launch)))
    assert wait_until(lambda: not cloud.left())
    assert harness.starts(launch.attempt_id) == 1
    assert cloud.journal.count(operation, "lost") == 2


def again(call: Callable[[], T]) -> T:
    """As the core does: until it is answered."""
    for _ in range(50):
        try:
            return call()
        except (Unreachable, BusyError):
            continue
    raise AssertionError("it was never answered")


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.long), pytest.param(3, marks=pytest.mark.long)])
def test_whatever_happens_each_starts_once_and_nothing_is_left(
    harness: ContainerInstanceHarness, cloud: LocalAzure, seed: int
) -> None:
    cloud.mischief._random.seed(seed)
    cloud.creations = ()
    cloud.mischief.chance("lose_answer", 0.2)
    cloud.mischief.chance("break", 0.1)
    cloud.mischief.chance("throttle", 0.1)
    cloud.mischief.chance("delay", 0.1)

    def life(launch: Launch) -> int | None:
        provider = harness.provider()
        handle = again(lambda: provider.launch(launch))
        ended = wait_for(
            lambda: again(lambda: provider.status([watch(launch)])[launch.attempt_id]),
            lambda seen: seen.phase == "ended",
            harness.patience,
        )
        assert ended.handle == handle
        lines, _ = again(lambda: provider.output_since(watch(launch), 0))
        assert [text for _, text in lines] == ["one", "two", "three"]
        again(lambda: provider.cleanup(watch(launch)))
        return ended.exit_code

    launches = [new_launch(harness.configuration("lines", {})) for _ in range(RUNS)]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(life, launches)) == [0] * RUNS
    cloud.mischief.behave()
    assert [harness.starts(each.attempt_id) for each in launches] == [1] * RUNS
    assert wait_until(lambda: not cloud.left())
    assert cloud.journal.count("ContainerGroups_CreateOrUpdate", "lost"), "it was a test"


def test_rights_that_come_late(harness: ContainerInstanceHarness, cloud: LocalAzure) -> None:
    """A role assignment is heard of after minutes: what was refused by then works, and nothing is in its way."""
    cloud.permitted.remove("Microsoft.ContainerInstance/containerGroups/write")
    launch, provider = new_launch(harness.configuration("lines", {})), harness.provider()
    with pytest.raises(ProviderError):
        provider.launch(launch)
    cloud.permitted.add("Microsoft.ContainerInstance/containerGroups/write")
    provider.launch(launch)
    assert wait_until(lambda: harness.starts(launch.attempt_id) == 1)
