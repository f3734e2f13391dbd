"""The module for the service on Azure: what is made is what the platform and the function app say of themselves."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from skylift.api import static_files
from skylift_functions.azure import PLATFORM
from skylift_functions.azure.installation import opened
from skylift_functions.azure.platform import CONNECTION, QUEUES, poison
from tests.functions.azure.bench import FUNCTIONS
from tests.functions.workload import API_KEY
from tests.terraform.conftest import Export
from tests.terraform.workspace import ROOT, TERRAFORM, TerraformError, Workspace

pytestmark = [pytest.mark.terraform, pytest.mark.timeout(300)]

MODULE = TERRAFORM / "azure"
PAGE = (ROOT / "docs" / "deploy" / "azure-functions.md").read_text()
Stated = dict[str, list[dict[str, Any]]]


@pytest.fixture(scope="module")
def stated(served: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory) -> Stated:
    """What the example makes, by type and name: applied, so that all is known."""
    scratch = tmp_path_factory.mktemp("service")
    terraform = Workspace(MODULE / "examples" / "service", served, scratch)
    terraform.init()
    apply(terraform, {"TF_VAR_database_url": "postgresql://skylift:hunter2@db.example/skylift"})
    text = (scratch / "state").read_text()
    assert "hunter2" not in text
    assert "made-up-result" not in text, "no key that was made is in the state"
    said = apply(terraform, {})
    assert "0 added, 0 changed, 0 destroyed" in said, "without the URL nothing is done about it"
    return made_in(json.loads(text))


def made_in(state: Mapping[str, Any]) -> Stated:
    managed = (each for each in state["resources"] if each["mode"] == "managed")
    return {f"{each['type']}.{each['name']}": [made["attributes"] for made in each["instances"]] for each in managed}


def apply(terraform: Workspace, env: Mapping[str, str]) -> str:
    state = f"-state={terraform.scratch / 'state'}"
    return terraform.run("apply", "-auto-approve", "-no-color", "-lock=false", state, env=env)


def one(stated: Stated, address: str) -> dict[str, Any]:
    (found,) = stated[address]
    return found


def test_every_queue_that_a_trigger_listens_to_is_there_and_has_a_poison_queue(stated: Stated) -> None:
    triggers = [trigger.get_dict_repr() for each in FUNCTIONS.values() if (trigger := each.get_trigger())]
    heard = {each["queueName"] for each in triggers if each["type"] == "queueTrigger"}
    assert {each["name"] for each in stated["azurerm_storage_queue.wakeups"]} == heard == {*QUEUES.values()}
    assert {each["name"] for each in stated["azurerm_storage_queue.poison"]} == {poison(each) for each in heard}


def test_the_apps_identity_has_the_platforms_roles_and_no_other(stated: Stated) -> None:
    identity = one(stated, "azurerm_user_assigned_identity.app")["principal_id"]
    app = [
        each
        for address, made in stated.items()
        if address.startswith("azurerm_role_assignment.") and not address.endswith(".writer")
        for each in made
    ]
    assert {each["principal_id"] for each in app} == {identity}
    account = one(stated, "azurerm_storage_account.this")["id"]
    queues = f"{account}/queueServices/default/queues/"
    secrets = [made[0]["resource_versionless_id"] for name, made in stated.items() if "_vault_secret." in name]
    insights = one(stated, "azurerm_application_insights.this")["id"]
    roles = PLATFORM.roles
    expected = {
        *((f"{queues}{queue}", role) for queue in QUEUES.values() for role in roles["{queues}"]),
        *((f"{queues}{poison(queue)}", role) for queue in QUEUES.values() for role in roles["{poison_queues}"]),
        *((secret, role) for secret in secrets for role in roles["{secrets}"]),
        *((account, role) for role in roles["{storage_account}"]),
        (insights, "Monitoring Metrics Publisher"),
    }
    assert len(secrets) == 3
    assert {(each["scope"], each["role_definition_name"]) for each in app} == expected
    for _, role in expected:
        assert f"| {role} |" in PAGE


def test_the_app_finds_all_that_it_needs_in_its_settings(
    stated: Stated, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    settings = one(stated, "azurerm_function_app_flex_consumption.this")["app_settings"]
    own = {name for name in settings if name.startswith("SKYLIFT_")}
    assert own == {*PLATFORM.variables, "SKYLIFT_LOG_LEVEL"} - {CONNECTION}
    assert one(stated, "azurerm_function_app_flex_consumption.this")["runtime_version"] == "3.13"
    monkeypatch.setattr(
        "skylift_functions.azure.references.read",
        lambda reference, variable, env: {"SKYLIFT_DATABASE_URL_FROM": f"sqlite:///{tmp_path}/a.db"}.get(
            variable, API_KEY
        ),
    )
    here = opened(settings)
    assert here.parts.settings.api_key == API_KEY
    here.parts.store.close()


def test_the_console_is_the_website_of_an_account_of_its_own(
    served: Mapping[str, str], tmp_path: Path, exported: Export
) -> None:
    """The API is where the page looks for it, and lets it in. A page that looks elsewhere is told where."""
    terraform = Workspace(MODULE, served, tmp_path)
    terraform.init()
    values = ("-var-file=tests/values.tfvars", "-var=name=skylift-console")
    with pytest.raises(TerraformError) as refused:
        terraform.plan(*values, f"-var=console_folder={exported('/api')}")
    (url,) = re.findall(r"--api-url\W+(https://\S+/api)", str(refused.value))
    terraform.apply(*values, f"-var=console_folder={exported(url)}")
    state = terraform.state()
    made = made_in(state)
    assert state["outputs"]["api_url"]["value"] == url
    account = one(made, "azurerm_storage_account.console")
    assert re.fullmatch("[a-z0-9]{3,24}", account["name"])
    assert account["name"] != one(made, "azurerm_storage_account.this")["name"]
    page = account["primary_web_endpoint"]
    told = one(made, "azurerm_function_app_flex_consumption.this")["app_settings"]
    assert told["SKYLIFT_CONSOLE_URL"] == state["outputs"]["console_url"]["value"] == page
    assert json.loads(told["SKYLIFT_UI_ORIGINS"]) == [page.removesuffix("/")]
    assert one(made, "azurerm_storage_account_static_website.console")["storage_account_id"] == account["id"]
    web = f"{account['id']}/blobServices/default/containers/$web"
    assert {
        each["name"]: (each["storage_container_id"], each["content_type"], each["cache_control"])
        for each in made["azurerm_storage_blob.console"]
    } == {
        "index.html": (web, "text/html; charset=utf-8", "no-cache"),
        "favicon.svg": (web, "image/svg+xml", "no-cache"),
        "assets/index-BH1dhhvP.js": (web, "text/javascript; charset=utf-8", static_files.FOR_EVER),
    }


def test_no_console_unless_asked_for(stated: Stated) -> None:
    assert not [each for each in stated if "console" in each]
