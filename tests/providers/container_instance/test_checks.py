"""What `work-pool check` finds, and where the links lead."""

from __future__ import annotations

from typing import Any

import pytest

from skylift.provider import Finding
from tests.clouds.azure import LOCATION, RESOURCE_GROUP, SUBSCRIPTION, LocalAzure
from tests.clouds.azure_login import CLIENT, TENANT
from tests.providers.container_instance.support import ContainerInstanceHarness
from tests.providers.container_instance.test_permissions import DELEGATED, IDENTITY, SUBNET
from tests.providers.contract import new_launch, watch


def findings(harness: ContainerInstanceHarness, **more: Any) -> dict[str, Finding]:
    """By what they are about; of several about the same the last."""
    configuration = {**harness.configuration("lines", {}), **more}
    return {each.what: each for each in harness.provider().check(configuration)}


def test_a_pool_in_good_order(harness: ContainerInstanceHarness, cloud: LocalAzure) -> None:
    cloud.resources |= {IDENTITY.lower(): {}, SUBNET.lower(): DELEGATED}
    found = findings(harness, identities=[IDENTITY], subnet_ids=[SUBNET])
    assert {what: each.verdict for what, each in found.items()} == {
        "Identity": "ok",
        "Resource group": "ok",
        "Permissions": "ok",
        "Quota": "ok",
        "Network": "ok",
        "Image": "unknown",
    }
    assert LOCATION in found["Resource group"].message
    assert "StandardCores 0 of 100" in found["Quota"].message
    assert not [each for each in cloud.journal.calls() if each.operation.endswith(("CreateOrUpdate", "Delete", "Stop"))]


def test_who_is_signed_in(harness: ContainerInstanceHarness) -> None:
    assert findings(harness)["Identity"].message == f"Signed in as {CLIENT}, tenant {TENANT}"


@pytest.mark.parametrize(
    ("what", "verdict", "words", "more"),
    [
        ("Place", "failed", "subscription_id", {"subscription_id": None}),
        ("Resource group", "failed", "resource_group_name", {"resource_group_name": "nowhere"}),
        ("Identity", "failed", "not found", {"identities": [IDENTITY]}),
        ("Network", "failed", "not found", {"subnet_ids": [SUBNET]}),
        ("Image", "warning", "image_registry", {"image": "mine.azurecr.io/flows:1"}),
        ("Image", "warning", "tag", {"image": "prefecthq/prefect:3-latest"}),
        ("Image", "warning", "tag", {"image": None}),
        ("Image", "unknown", "run", {"image": "mine.azurecr.io/flows:1", "image_registry": {"registry_url": "x"}}),
        ("Spot", "failed", "zone", {"priority": "Spot", "zones": ["1"]}),
        ("GPU", "failed", "subnet", {"gpu_count": 1, "subnet_ids": [SUBNET]}),
    ],
)
def test_what_is_wrong(
    harness: ContainerInstanceHarness, what: str, verdict: str, words: str, more: dict[str, Any]
) -> None:
    finding = findings(harness, **more)[what]
    assert finding.verdict == verdict
    assert words in f"{finding.message} {finding.remedy}"


def test_a_subnet_that_is_nobodys(harness: ContainerInstanceHarness, cloud: LocalAzure) -> None:
    cloud.resources[SUBNET.lower()] = {"properties": {}}
    finding = findings(harness, subnet_ids=[SUBNET])["Network"]
    assert finding.verdict == "failed"
    assert finding.remedy
    assert "az network vnet subnet update" in finding.remedy


@pytest.mark.parametrize(("used", "verdict"), [(79, "ok"), (80, "warning"), (100, "failed")])
def test_a_quota_that_runs_out(harness: ContainerInstanceHarness, cloud: LocalAzure, used: int, verdict: str) -> None:
    cloud.usages["StandardCores"] = (used, 100)
    assert findings(harness)["Quota"].verdict == verdict


def test_rights_that_are_missing(harness: ContainerInstanceHarness, cloud: LocalAzure) -> None:
    cloud.permitted.remove("Microsoft.ContainerInstance/containerGroups/delete")
    finding = findings(harness)["Permissions"]
    assert finding.verdict == "failed"
    assert "containerGroups/delete" in finding.message
    cloud.permitted.remove("Microsoft.Authorization/permissions/read")
    assert findings(harness)["Permissions"].verdict == "unknown"


def test_a_broken_azure_raises_nothing(harness: ContainerInstanceHarness, cloud: LocalAzure) -> None:
    cloud.mischief.order("*", "break", times=100)
    found = findings(harness)
    assert found["Resource group"].verdict == found["Quota"].verdict == "unknown"


def test_links(harness: ContainerInstanceHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    launch = new_launch(harness.configuration("lines", {}))
    provider = harness.provider()
    links = provider.links(watch(launch))
    group = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{RESOURCE_GROUP}/providers/Microsoft.ContainerInstance"
    name = f"skylift-{launch.attempt_id.hex}"
    assert links["run"] == f"https://portal.azure.com/#@{TENANT}/resource{group}/containerGroups/{name}/overview"
    assert links["logs"].endswith(f"{name}/containers")
    assert links["quota"].startswith("https://portal.azure.com/#view/Microsoft_Azure_Capacity/")
    monkeypatch.setenv("SKYLIFT_AZURE_ENDPOINT", "https://management.chinacloudapi.cn")
    assert provider.links(watch(launch, f"{group}/containerGroups/x"))["run"].startswith("https://portal.azure.cn/")
