"""The module for pools on Azure Container Instances: the same things, names and rights as `--provision-infra`, and
Skylift is told."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import httpx
import pytest

from skylift.provisioner import PoolIdentity
from skylift_infra.azure.account import Account
from skylift_infra.azure.identities import Federation
from skylift_infra.azure.place import SKU
from skylift_infra.azure.provisioner import ContainerInstanceProvisioner, Layout
from skylift_infra.azure.rights import Assignment, Role, actions
from tests.support.service import ROOT, clean_environment, serving
from tests.terraform.conftest import Open
from tests.terraform.workspace import TERRAFORM, Workspace, planned_resources

pytestmark = [pytest.mark.terraform, pytest.mark.timeout(300)]

MODULE = TERRAFORM / "pools" / "container_instance"
POOL = PoolIdentity("My nightly Pool!", "azure-container-instance:push", UUID("0192f0c1-2f4b-7cc3-8f3e-6f1d2a9b4c5d"))
LOCATION, SUBSCRIPTION = "westeurope", "33333333-3333-3333-3333-333333333333"
SUBNET = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/net/providers/Microsoft.Network/virtualNetworks/v/subnets/a"
REGISTRY = (
    f"/subscriptions/{SUBSCRIPTION}/resourceGroups/shared/providers/Microsoft.ContainerRegistry/registries/images"
)
KINDS = {
    "resource group": "azurerm_resource_group",
    "container registry": "azurerm_container_registry",
    "managed identity": "azurerm_user_assigned_identity",
}
VARIANTS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "of its own": ({}, {}),
    "what is there": (
        {
            "resource_group": "flows",
            "registry": REGISTRY,
            "subnets": [SUBNET],
            "dispatcher": "https://token.example|me",
        },
        {
            "resource_group": "flows",
            "registry": {"name": "images", "resource_group": "shared"},
            "subnets": [SUBNET],
            "dispatcher": {"issuer": "https://token.example", "subject": "me"},
        },
    ),
}


class SignedIn(Account):
    """Whose subscription is known."""

    @property
    def about(self) -> Mapping[str, Any]:
        return {"displayName": "Flows", "tenantId": "44444444-4444-4444-4444-444444444444"}


def layout(**answers: Any) -> Layout:
    """What `--provision-infra` would make, by its own code."""
    defaults = {each.name: each.default for each in ContainerInstanceProvisioner().questions}
    return Layout(SignedIn(SUBSCRIPTION, LOCATION), POOL, defaults | answers)


Both = tuple[Layout, dict[str, dict[str, Any]]]


@pytest.fixture(params=VARIANTS)
def both(request: pytest.FixtureRequest, workspace: Open) -> Both:
    """The provisioner's resources, and what the module plans."""
    answers, variables = VARIANTS[request.param]
    terraform = workspace(MODULE)
    terraform.init()
    about = {"name": POOL.name, "installation_id": str(POOL.installation_id), "location": LOCATION}
    values = {**about, **variables}
    given = [f"-var={key}={each if isinstance(each, str) else json.dumps(each)}" for key, each in values.items()]
    return layout(**answers), planned_resources(terraform.plan(*given))


def of_kind(planned: Mapping[str, dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [values for address, values in planned.items() if address.startswith(f"{kind}.")]


def test_the_same_things_of_the_same_names_with_the_same_marks(both: Both) -> None:
    ours, planned = both
    known = {*KINDS, "resource provider", "role", "role assignment", "federated credential"}
    assert {each.kind for each in ours.resources} <= known
    given = {"flows", "images"} if ours.answers["resource_group"] else set()
    made = [each for each in ours.resources if each.kind in KINDS and each.name not in given]
    found = [(kind, values) for kind in KINDS.values() for values in of_kind(planned, kind)]
    assert sorted((kind, values["name"]) for kind, values in found) == sorted(
        (KINDS[each.kind], each.name) for each in made
    )
    for _, values in found:
        assert ours.tags.items() <= values["tags"].items()
        assert values["location"] == LOCATION
    for registry in of_kind(planned, "azurerm_container_registry"):
        assert (registry["sku"], registry["admin_enabled"]) == (SKU, False)


def test_the_same_rights_of_the_same_names(both: Both) -> None:
    ours, planned = both
    (role,) = (each for each in ours.resources if isinstance(each, Role))
    (defined,) = of_kind(planned, "azurerm_role_definition")
    assert defined["role_definition_id"] == role.guid
    assert (defined["name"], defined["description"]) == (role.name, role.mark)
    assert defined["assignable_scopes"] == role.scopes
    assert [each["actions"] for each in defined["permissions"]] == [actions()]
    assigned = {each.guid: each for each in ours.resources if isinstance(each, Assignment)}
    planned_ones = {values["name"]: values for values in of_kind(planned, "azurerm_role_assignment")}
    assert {*assigned} == {*planned_ones}
    for name, values in planned_ones.items():
        assert (values["description"], values["principal_type"]) == (assigned[name].mark, "ServicePrincipal")
        if assigned[name].key != "pull-right":
            assert values["scope"] == assigned[name].scope({})
        else:
            assert values["role_definition_id"] == assigned[name].role({})


def test_the_same_trust(both: Both) -> None:
    ours, planned = both
    trusts = [each for each in ours.resources if isinstance(each, Federation)]
    found = of_kind(planned, "azurerm_federated_identity_credential")
    assert [
        {"issuer": each["issuer"], "subject": each["subject"], "audiences": each["audience"]} for each in found
    ] == [each.trust for each in trusts]
    assert all(each["name"] == Federation.NAME for each in found)


# -- Skylift is told --------------------------------------------------------------------------------------------------


def apply(terraform: Workspace, env: Mapping[str, str]) -> str:
    state = f"-state={terraform.scratch / 'state'}"
    return terraform.run("apply", "-auto-approve", "-no-color", "-lock=false", state, env=env)


def test_skylift_is_told_and_told_again(workspace: Open, tmp_path: Any) -> None:
    """By the real command, against the real service, as somebody who applies the example does it."""
    terraform = workspace(MODULE / "examples" / "pool")
    terraform.init()
    home = tmp_path / "home"
    home.mkdir()
    with serving(home) as service:
        env = {"SKYLIFT_API_URL": service.url, "PATH": f"{ROOT / '.venv' / 'bin'}:{clean_environment()['PATH']}"}
        assert "Apply complete!" in apply(terraform, env)
        pool = httpx.get(f"{service.url}/work_pools/nightly", timeout=30).raise_for_status().json()
        assert (pool["type"], pool["status"], pool["concurrency_limit"]) == (POOL.type, "READY", 20)
        stated = json.loads((tmp_path / "state").read_text())
        made = {f"{each['type']}.{each['name']}": each["instances"][0]["attributes"] for each in stated["resources"]}
        properties = pool["base_job_template"]["variables"]["properties"]
        defaults = {name: each["default"] for name, each in properties.items() if each.get("default") is not None}
        pull = made["azurerm_user_assigned_identity.pull"]["id"]
        assert (defaults["subscription_id"], defaults["identities"]) == (SUBSCRIPTION, [pull])
        assert defaults["image_registry"]["identity"] == pull
        expected = layout().handover(dict.fromkeys(("pull", "registry", "dispatcher"), ANYTHING))
        assert {*expected.variables} <= {*defaults}
        name = "azure-container-instance-credentials"
        url = f"{service.url}/block_types/slug/{name}/block_documents/name/nightly-{name}"
        block = httpx.get(url, timeout=30).raise_for_status().json()["data"]
        assert {*block} >= {*expected.block_data}
        assert block["client_id"] == made["azurerm_user_assigned_identity.dispatcher"]["client_id"]
        assert "0 added, 0 changed, 0 destroyed" in apply(terraform, env), "the second time there is nothing to do"
        assert httpx.get(f"{service.url}/work_pools/nightly", timeout=30).json() == pool


ANYTHING = {"id": "i", "host": "h", "client": "c"}
