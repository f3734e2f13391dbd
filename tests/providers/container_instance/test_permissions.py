"""The local Azure refuses what the façade has not declared; what is declared is enough, and nothing of it is idle."""

from __future__ import annotations

from typing import Any

import pytest

from skylift.provider import ProviderError
from skylift_container_instance.permissions import PERMISSIONS, allows
from tests.clouds.azure import RESOURCE_GROUP, SUBSCRIPTION, LocalAzure
from tests.providers.container_instance.support import ContainerInstanceHarness
from tests.providers.contract import new_launch, wait_for, watch

IDENTITY = (
    f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{RESOURCE_GROUP}"
    "/providers/Microsoft.ManagedIdentity/userAssignedIdentities/pull"
)
SUBNET = (
    f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{RESOURCE_GROUP}"
    "/providers/Microsoft.Network/virtualNetworks/v/subnets/s"
)
DELEGATED = {
    "properties": {"delegations": [{"properties": {"serviceName": "Microsoft.ContainerInstance/containerGroups"}}]}
}


@pytest.fixture
def configuration(harness: ContainerInstanceHarness, cloud: LocalAzure) -> dict[str, Any]:
    cloud.resources |= {IDENTITY.lower(): {}, SUBNET.lower(): DELEGATED}
    return {**harness.configuration("lines", {}), "identities": [IDENTITY], "subnet_ids": [SUBNET]}


def live(harness: ContainerInstanceHarness, configuration: dict[str, Any]) -> None:
    """Everything that the provider ever does."""
    provider = harness.provider()
    launch = new_launch(configuration)
    provider.launch(launch)
    wait_for(lambda: provider.status([watch(launch)])[launch.attempt_id].phase, lambda phase: phase == "ended", 10)
    provider.output_since(watch(launch), 0)
    provider.logs(watch(launch), 3)
    provider.list_attempts(launch.installation_id, configuration)
    provider.stop(watch(launch), 0)
    provider.cleanup(watch(launch))


def test_what_is_declared_is_enough(
    harness: ContainerInstanceHarness, cloud: LocalAzure, configuration: dict[str, Any]
) -> None:
    cloud.permitted = {each.action for each in PERMISSIONS}
    live(harness, configuration)
    findings = harness.provider().check(configuration)
    assert not [each for each in findings if each.verdict == "failed"]
    operations = {each.operation for each in cloud.journal.calls()}
    assert operations == {call for each in PERMISSIONS for call in each.calls}, "and nothing is declared for nothing"


def test_runs_need_no_more_than_is_declared_for_runs(harness: ContainerInstanceHarness, cloud: LocalAzure) -> None:
    cloud.permitted = {each.action for each in PERMISSIONS if each.use == "runs"}
    live(harness, harness.configuration("lines", {}))


@pytest.mark.parametrize(
    "permission", [each for each in PERMISSIONS if each.use != "check"], ids=lambda each: each.action
)
def test_whichever_is_missing_is_named(
    harness: ContainerInstanceHarness, cloud: LocalAzure, configuration: dict[str, Any], permission: Any
) -> None:
    cloud.permitted.remove(permission.action)
    configuration = {**configuration, "location": None}
    with pytest.raises(ProviderError) as caught:
        live(harness, configuration)
    told = f"{caught.value} {caught.value.remedy}"
    assert permission.action in told
    assert "/resourceGroups/" in told
    told = " ".join(each.message for each in harness.provider().check(configuration))
    assert permission.action in told


def test_roles_with_patterns_and_exceptions() -> None:
    action = "Microsoft.ContainerInstance/containerGroups/write"
    assert allows([(["*"], [])], action)
    assert allows([(["microsoft.containerinstance/*/write"], [])], action)
    assert not allows([(["*"], ["Microsoft.ContainerInstance/*"])], action)
    assert allows([(["*"], ["Microsoft.ContainerInstance/*"]), ([action], [])], action)
    assert not allows([(["*/read"], [])], action)
    assert not allows([], action)
