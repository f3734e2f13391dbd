"""ARM templates that users have customised in Prefect's pools keep their meaning."""

from __future__ import annotations

import copy
from typing import Any
from uuid import uuid4

import pytest

from skylift import collections, templates
from skylift.provider import Rejected
from skylift.registry import Providers
from skylift_container_instance import PROVIDER
from skylift_container_instance.arm_template import container_group, merged
from skylift_container_instance.place import Credentials, Place
from tests.providers.container_instance.test_requests import IDENTITY, body_of, container_of, launch_of


def rendered(template: dict[str, Any], **variables: Any) -> dict[str, Any]:
    """As the core renders it for a run."""
    values = {"subscription_id": "s", "resource_group_name": "flows", "location": "westeurope", **variables}
    context: dict[str, Any] = {"flow": {}, "flow_run": {}, "deployment": {}, "work_pool": {}}
    layer = templates.Layer("a test", values)
    made = templates.render(template, [layer], context=context, lookup=templates.Fetched()).configuration
    for name in ("command", "env", "runner"):
        made.pop(name, None)
    return made


@pytest.fixture
def template() -> dict[str, Any]:
    return PROVIDER.base_job_template()


def group_in(template: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = template["job_configuration"]["arm_template"]["resources"][0]
    return found


def test_the_default_template_says_what_the_variables_say(template: dict[str, Any]) -> None:
    body = body_of(launch_of(**rendered(template, image="a:1", cpu=2, memory=3.5)))
    assert container_of(body)["image"] == "a:1"
    assert container_of(body)["resources"]["requests"] == {"cpu": 2, "memoryInGB": 3.5}
    assert "arm_template" not in str(body)
    assert "[" not in str(body["location"])


def test_the_template_of_prefects_own_pool_works(template: dict[str, Any]) -> None:
    """What Prefect's worker type has, rendered, is a configuration of ours."""
    theirs = copy.deepcopy(collections.base_job_template(Providers({}), "azure-container-instance"))
    assert theirs
    configuration = rendered(theirs, image="a:1")
    body = body_of(launch_of(**configuration))
    assert container_of(body)["image"] == "a:1"
    assert body["properties"]["containers"][0]["name"] == "run"


def test_what_users_add_stays(template: dict[str, Any]) -> None:
    group = group_in(template)
    group["tags"] = {"team": "data"}
    group["zones"] = ["2"]
    group["identity"] = {"type": "UserAssigned", "userAssignedIdentities": {IDENTITY: {}}}
    group["properties"]["ipAddress"] = {"type": "Public", "ports": [{"port": 80}]}
    first = group["properties"]["containers"][0]["properties"]
    first["environmentVariables"] = [{"name": "A", "value": "theirs"}, {"name": "B", "value": "b"}]
    first["ports"] = [{"port": 80}]
    resources = {"requests": {"cpu": 0.5, "memoryInGB": 0.5}}
    group["properties"]["containers"].append(
        {"name": "sidecar", "properties": {"image": "s:1", "resources": resources}}
    )
    launch = launch_of(**rendered(template), env={"A": "ours"})
    body = body_of(launch)
    run, sidecar = body["properties"]["containers"]
    assert (run["name"], sidecar["name"]) == ("run", "sidecar")
    values = {each["name"]: each["value"] for each in run["properties"]["environmentVariables"]}
    assert values == {"A": "ours", "B": "b", "SKYLIFT_ATTEMPT": str(launch.attempt_id)}
    assert run["properties"]["ports"] == [{"port": 80}]
    assert body["properties"]["ipAddress"]["ports"] == [{"port": 80}]
    assert body["tags"]["team"] == "data"
    assert body["zones"] == ["2"]
    assert IDENTITY in body["identity"]["userAssignedIdentities"]


def test_a_secret_in_a_template_is_refused(template: dict[str, Any]) -> None:
    first = group_in(template)["properties"]["containers"][0]["properties"]
    first["environmentVariables"] = [{"name": "P", "value": "hunter2-hunter2"}]
    with pytest.raises(Rejected) as caught:
        body_of(launch_of(**rendered(template), secrets=("hunter2-hunter2",)))
    assert "environmentVariables" in str(caught.value)
    first["environmentVariables"] = [{"name": "P", "secureValue": "hunter2-hunter2"}]
    body_of(launch_of(**rendered(template), secrets=("hunter2-hunter2",)))


def test_parameters_with_a_default_value_are_understood(template: dict[str, Any]) -> None:
    arm = template["job_configuration"]["arm_template"]
    arm["parameters"]["tier"] = {"type": "string", "defaultValue": "Standard"}
    arm["parameters"]["where"] = {"type": "string", "defaultValue": "northeurope"}
    arm["resources"][0]["location"] = "[parameters('where')]"
    arm["resources"][0]["properties"]["sku"] = "[parameters('tier')]"
    arm["resources"][0]["tags"] = {"text": "[[not an expression]"}
    body = body_of(launch_of(**rendered(template)))
    assert body["properties"]["sku"] == "Standard"
    assert body["location"] == "northeurope"
    assert body["tags"]["text"] == "[not an expression]"


@pytest.mark.parametrize(
    ("where", "change"),
    [
        ("resources", lambda arm: arm["resources"].append({"type": "Microsoft.Storage/storageAccounts"})),
        ("resources", lambda arm: arm.update(resources="none")),
        ("resources[0].copy", lambda arm: arm["resources"][0].update(copy={"count": 3})),
        ("properties.sku", lambda arm: arm["resources"][0]["properties"].update(sku="[variables('x')]")),
        ("properties.sku", lambda arm: arm["resources"][0]["properties"].update(sku="[parameters('none')]")),
        ("restartPolicy", lambda arm: arm["resources"][0]["properties"].update(restartPolicy="Always")),
    ],
)
def test_what_is_not_understood_is_refused_by_name(template: dict[str, Any], where: str, change: Any) -> None:
    change(template["job_configuration"]["arm_template"])
    with pytest.raises(Rejected) as caught:
        container_group(template["job_configuration"]["arm_template"])
    assert where in str(caught.value)
    assert caught.value.remedy


def test_a_pool_that_prefect_has_provisioned(template: dict[str, Any]) -> None:
    """What `prefect work-pool create --provision-infra` writes into the template's defaults."""
    block = uuid4()
    defaults = {
        "subscription_id": "33333333-3333-3333-3333-333333333333",
        "resource_group_name": "prefect-aci-push-pool-rg",
        "aci_credentials": {"$ref": {"block_document_id": str(block)}},
        "image_registry": {"registry_url": "prefect123.azurecr.io", "identity": IDENTITY},
        "identities": [IDENTITY],
        "image": "prefect123.azurecr.io/flows:1",
    }
    for name, value in defaults.items():
        template["variables"]["properties"][name]["default"] = value
    principal = {"client_id": "c", "tenant_id": "t", "client_secret": "tenant-secret"}
    lookup = templates.Fetched(documents={block: principal})
    made = templates.render(template, [], context={}, lookup=lookup)
    configuration = {**made.configuration, "location": "westeurope", "command": ["true"], "env": {}}
    place = Place.of(configuration)
    assert place
    assert place.credentials == Credentials("c", "t", "tenant-secret")
    body = body_of(launch_of(secrets=tuple(made.secrets), **configuration))
    assert body["properties"]["imageRegistryCredentials"] == [{"server": "prefect123.azurecr.io", "identity": IDENTITY}]
    assert list(body["identity"]["userAssignedIdentities"]) == [IDENTITY]
    assert "tenant-secret" not in str(body)


def test_merging() -> None:
    assert merged({"a": {"b": 1, "c": 2}, "d": [1]}, {"a": {"b": 3}, "d": [2]}) == {"a": {"b": 3, "c": 2}, "d": [2]}
