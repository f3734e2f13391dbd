"""What Azure does that nobody would expect: it restarts, tries on for ever, forgets, takes no orders for a while."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from skylift.managed import ManagedProvider
from skylift.provider import Launch, Observation, Provider, Throttled, Unreachable, Watched
from skylift_container_instance.place import group_name
from tests.clouds.azure import LocalAzure
from tests.clouds.azure_login import CLIENT, CLIENT_SECRET, TENANT
from tests.clouds.containers import wait_until
from tests.providers.container_instance.support import ContainerInstanceHarness
from tests.providers.contract import new_launch, wait_for, watch


@pytest.fixture
def provider(harness: ContainerInstanceHarness) -> Provider:
    return harness.provider()


def until(provider: Provider, launch: Launch, *phases: str) -> Observation:
    found = wait_for(lambda: provider.status([watch(launch)])[launch.attempt_id], lambda seen: seen.phase in phases, 10)
    assert found.phase in phases, found
    return found


def test_two_launches_that_are_under_way_at_once(
    harness: ContainerInstanceHarness, cloud: LocalAzure, provider: Provider
) -> None:
    """One is held between its look and its PUT: the container is restarted, both get the handle, one group is left."""
    held = cloud.mischief.order("ContainerGroups_CreateOrUpdate", "hold")
    launch = new_launch(harness.configuration("endless", {}))
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(harness.provider().launch, launch)
        assert held.reached.wait(10)
        handle = harness.provider().launch(launch)
        until(provider, launch, "running")
        held.released.set()
        assert slow.result(10) == handle
    assert wait_until(lambda: harness.starts(launch.attempt_id) == 2)
    assert wait_until(lambda: len(cloud.containers.alive()) == 1)
    assert cloud.left() == [handle]


def test_two_puts_of_which_one_comes_too_early(harness: ContainerInstanceHarness, cloud: LocalAzure) -> None:
    """While the group is being created Azure refuses the second PUT, which is as good as an answer."""
    cloud.behaviour.provisioning = 1.5
    held = cloud.mischief.order("ContainerGroups_CreateOrUpdate", "hold")
    launch = new_launch(harness.configuration("lines", {}))
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(harness.provider().launch, launch)
        assert held.reached.wait(10)
        handle = harness.provider().launch(launch)
        held.released.set()
        assert slow.result(10) == handle
    assert cloud.journal.count("ContainerGroups_CreateOrUpdate", "ContainerGroupTransitioning") == 1
    until(harness.provider(), launch, "ended")
    assert harness.starts(launch.attempt_id) == 1


def test_an_ended_group_is_not_put_again(
    harness: ContainerInstanceHarness, cloud: LocalAzure, provider: Provider
) -> None:
    """A PUT would start it anew."""
    launch = new_launch(harness.configuration("lines", {}))
    provider.launch(launch)
    until(provider, launch, "ended")
    provider.launch(launch)
    assert len(cloud.journal.calls("ContainerGroups_CreateOrUpdate")) == 1


def test_a_policy_that_takes_tags_off(harness: ContainerInstanceHarness, cloud: LocalAzure, provider: Provider) -> None:
    """Azure Policy may change tags: a group is known by its name, and only strays are looked for by tags."""
    launch = new_launch(harness.configuration("endless", {}))
    handle = provider.launch(launch)
    group = cloud.group_of(launch.attempt_id)
    group.body["tags"] = {"owner": "policy"}
    assert provider.launch(launch) == handle
    assert until(provider, launch, "running").handle == handle
    assert list(provider.list_attempts(launch.installation_id, launch.configuration)) == []  # type: ignore[attr-defined]
    provider.stop(watch(launch), 0)
    until(provider, launch, "ended")
    provider.cleanup(watch(launch))


def test_no_room_after_it_was_accepted(
    harness: ContainerInstanceHarness, cloud: LocalAzure, provider: Provider
) -> None:
    cloud.behaviour.full = ("westeurope",)
    launch = new_launch(harness.configuration("lines", {}))
    provider.launch(launch)
    ended = until(provider, launch, "ended")
    assert (ended.fault, ended.exit_code) == ("capacity", None)
    assert "not available in the location 'westeurope'" in str(ended.reason)
    assert "capacity_fallbacks" in str(ended.remedy)
    assert cloud.journal.count("ContainerGroups_Stop", "ok") == 1, "or Azure would try on"
    assert until(provider, launch, "ended").fault == "capacity"
    elsewhere = new_launch({**launch.configuration, "location": "northeurope"})
    provider.launch(elsewhere)
    assert until(provider, elsewhere, "ended").exit_code == 0


def test_what_can_never_start_is_stopped_before_it_has_ended(
    harness: ContainerInstanceHarness, cloud: LocalAzure, provider: Provider
) -> None:
    cloud.mischief.order("ContainerGroups_Stop", "break", times=2)
    launch = new_launch(harness.cloud_configuration("unpullable"))
    provider.launch(launch)
    told = []
    for _ in range(200):
        try:
            told.append(provider.status([watch(launch)])[launch.attempt_id])
        except Unreachable:
            continue  # it could not be stopped, so it may yet start
        if told[-1].phase == "ended":
            break
    assert told[-1].fault == "setup"
    assert cloud.journal.count("ContainerGroups_Stop", "InternalServerError") == 2
    assert cloud.journal.count("ContainerGroups_Stop", "ok") == 1


def test_what_begins_while_it_is_being_stopped_has_begun(
    harness: ContainerInstanceHarness, cloud: LocalAzure, provider: Provider
) -> None:
    """Azure's last try was a success, between our look and our stop: then it was stopped, and has no fault."""
    cloud.behaviour.provisioning = 0.5
    launch = new_launch(harness.configuration("endless", {}))
    provider.launch(launch)
    cloud.group_of(launch.attempt_id).tell("Failed", 'Failed to pull image "x": not found')
    held = cloud.mischief.order("ContainerGroups_Stop", "hold")
    with ThreadPoolExecutor(1) as pool:
        looking = pool.submit(provider.status, [watch(launch)])
        assert held.reached.wait(10)
        assert wait_until(lambda: len(cloud.containers.alive()) == 1)
        held.released.set()
        found = looking.result(10)[launch.attempt_id]
    assert found.fault is None
    ended = until(provider, launch, "ended")
    assert ended.fault is None
    assert "stopped" in str(ended.reason)


def test_a_registry_that_is_slow_once_is_given_time(
    harness: ContainerInstanceHarness, cloud: LocalAzure, provider: Provider
) -> None:
    cloud.behaviour.provisioning = 0.3
    launch = new_launch(harness.configuration("lines", {}))
    provider.launch(launch)
    cloud.group_of(launch.attempt_id).tell("Failed", 'Failed to pull image "x": net/http: TLS handshake timeout')
    assert until(provider, launch, "ended").exit_code == 0
    assert not cloud.journal.calls("ContainerGroups_Stop")


def test_a_group_that_takes_no_orders_while_it_is_created(
    harness: ContainerInstanceHarness, cloud: LocalAzure, provider: Provider
) -> None:
    cloud.behaviour.refuses_stop_while_creating = True
    cloud.behaviour.provisioning = 1.2
    launch = new_launch(harness.configuration("endless", {}))
    provider.launch(launch)
    with pytest.raises(Unreachable):
        provider.stop(watch(launch), 0)
    assert until(provider, launch, "starting", "running").phase == "starting"
    until(provider, launch, "running")
    provider.stop(watch(launch), 0)
    assert until(provider, launch, "ended").exit_code != 0


@pytest.mark.parametrize("forgets", [False, True])
def test_somebody_stops_it_in_the_portal(
    harness: ContainerInstanceHarness, cloud: LocalAzure, provider: Provider, forgets: bool
) -> None:
    cloud.behaviour.forgets_when_stopped = forgets
    launch = new_launch(harness.base(["sh", "-c", "trap 'exit 0' TERM; sleep 600 & wait"], {}))
    provider.launch(launch)
    until(provider, launch, "running")
    time.sleep(0.1)  # the shell's trap
    cloud.group_of(launch.attempt_id).stop()
    ended = until(provider, launch, "ended")
    assert ended.exit_code is None, "it ended with 0, but not by itself"
    assert "stopped" in str(ended.reason)
    assert ended.fault is None


def test_somebody_deletes_it(harness: ContainerInstanceHarness, cloud: LocalAzure, provider: Provider) -> None:
    launch = new_launch(harness.configuration("endless", {}))
    provider.launch(launch)
    until(provider, launch, "running")
    cloud.group_of(launch.attempt_id).delete()
    until(provider, launch, "gone")
    assert not cloud.containers.alive()


def test_a_bare_command_beyond_its_time_limit(harness: ContainerInstanceHarness, cloud: LocalAzure) -> None:
    launch = new_launch({**harness.configuration("endless", {}), "timeout_seconds": 0.3})
    provider = harness.provider()
    provider.launch(launch)
    ended = until(provider, launch, "ended")
    assert "time limit of 0.3 s" in str(ended.reason)
    assert wait_until(lambda: not cloud.containers.alive())


def test_many_are_asked_about_by_a_list_and_a_look_at_each(
    harness: ContainerInstanceHarness, cloud: LocalAzure, provider: Provider
) -> None:
    launches = [new_launch(harness.configuration("lines", {})) for _ in range(7)]
    for launch in launches:
        provider.launch(launch)
    stranger = new_launch(harness.configuration("lines", {}))
    everybody = [watch(each) for each in [*launches, stranger]]

    def phases() -> set[str]:
        return {each.phase for each in provider.status(everybody).values()}

    assert wait_for(phases, lambda seen: seen == {"ended", "gone"}, 10) == {"ended", "gone"}
    before = len(cloud.journal.calls("ContainerGroups_ListByResourceGroup"))
    found = provider.status(everybody)
    assert found[stranger.attempt_id].phase == "gone"
    assert len(found) == 8
    assert len(cloud.journal.calls("ContainerGroups_ListByResourceGroup")) - before == 2, "its two pages"


def test_a_list_that_holds_instance_views_saves_the_looks(
    harness: ContainerInstanceHarness, cloud: LocalAzure, provider: Provider
) -> None:
    cloud.behaviour.lists_views = True
    launches = [new_launch(harness.configuration("endless", {})) for _ in range(4)]
    for launch in launches:
        provider.launch(launch)
        until(provider, launch, "running")
    looks = len(cloud.journal.calls("ContainerGroups_Get"))
    found = provider.status([watch(each) for each in launches])
    assert {each.phase for each in found.values()} == {"running"}
    assert len(cloud.journal.calls("ContainerGroups_Get")) == looks


def test_who_could_not_be_asked_is_left_out(
    harness: ContainerInstanceHarness, cloud: LocalAzure, provider: Provider
) -> None:
    launches = [new_launch(harness.configuration("endless", {})) for _ in range(3)]
    for launch in launches:
        provider.launch(launch)
    for kind in ("break", "throttle", "deny"):
        cloud.mischief.order("ContainerGroups_Get", kind)
        found = provider.status([watch(each) for each in launches])
        assert len(found) == 2
        assert "gone" not in {each.phase for each in found.values()}


def test_handles_are_enough(
    harness: ContainerInstanceHarness, cloud: LocalAzure, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no key is left that opens the frozen configuration, the service's own identity goes on with the handle."""
    for name, value in {"CLIENT_ID": CLIENT, "TENANT_ID": TENANT, "CLIENT_SECRET": CLIENT_SECRET}.items():
        monkeypatch.setenv(f"AZURE_{name}", value)
    launch = new_launch({**harness.configuration("endless", {}), "name": "Nightly report!"})
    handle = harness.provider().launch(launch)
    assert handle.endswith(f"/nightly-report-{launch.attempt_id.hex}")
    known = Watched(launch.attempt_id, handle)
    other = harness.provider()
    assert other.status([known])[launch.attempt_id].handle == handle
    other.stop(known, 0)
    wait_for(lambda: other.status([known])[launch.attempt_id].phase, lambda phase: phase == "ended", 10)
    other.cleanup(known)
    assert wait_until(lambda: not cloud.left())
    lost = Watched(launch.attempt_id, None)
    with pytest.raises(Unreachable):
        other.status([lost])
    assert other.logs(lost, 5) == []
    assert other.output_since(lost, 7) == ([], 7)
    other.stop(lost, 0)
    other.cleanup(lost)


def test_a_throttled_deletion_is_told(harness: ContainerInstanceHarness, cloud: LocalAzure, provider: Provider) -> None:
    """So that the core comes again: 300 an hour are allowed."""
    launch = new_launch(harness.configuration("lines", {}))
    provider.launch(launch)
    until(provider, launch, "ended")
    cloud.mischief.order("ContainerGroups_Delete", "throttle")
    with pytest.raises(Throttled, match="TooManyRequests"):
        provider.cleanup(watch(launch))
    assert cloud.left()
    provider.cleanup(watch(launch))
    assert wait_until(lambda: not cloud.left())


def test_managed_pools_go_where_the_operator_says(
    harness: ContainerInstanceHarness, cloud: LocalAzure, monkeypatch: pytest.MonkeyPatch
) -> None:
    configuration: dict[str, Any] = harness.configuration("lines", {})
    own = {"CLIENT_ID": CLIENT, "TENANT_ID": TENANT, "CLIENT_SECRET": CLIENT_SECRET}
    monkeypatch.setenv("SKYLIFT_AZURE_SUBSCRIPTION", configuration.pop("subscription_id"))
    monkeypatch.setenv("SKYLIFT_AZURE_RESOURCE_GROUP", configuration.pop("resource_group_name"))
    configuration.pop("aci_credentials")
    for name, value in own.items():
        monkeypatch.setenv(f"AZURE_{name}", value)
    provider = ManagedProvider(harness.provider())
    launch = replace(new_launch({**configuration, "name": None, "labels": {}}))
    provider.launch(launch)
    until(provider, launch, "ended")
    assert cloud.left()[0].endswith(group_name(launch.attempt_id))
