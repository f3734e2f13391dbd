"""What a person types, from an empty subscription to a run that is Completed: with our command line, and with
Prefect's."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.clients.conftest import ROOT
from tests.clouds.azure import SUBSCRIPTION
from tests.clouds.azure_infra import LocalSubscription
from tests.clouds.azure_login import CLIENT, CLIENT_SECRET, TENANT
from tests.infra.azure.subscription import TRUSTED
from tests.support.desk import Desk, at_a_service
from tests.support.terminal import typed

PREFECT = ROOT / ".venv-prefect" / "bin" / "prefect"
TYPE = "azure-container-instance:push"
CREATE = ("work-pool", "create", "--type", TYPE, "--provision-infra", "my-pool")


@dataclass(frozen=True)
class AzureDesk(Desk):
    block_variable = "aci_credentials"
    cloud: LocalSubscription

    def pushed_by(self) -> set[tuple[str, str]]:
        """Clients that tokens were had for, and how; without the person at the desk."""
        return {(each.client, each.how) for each in self.cloud.login.granted.values() if each.client != CLIENT}


@contextmanager
def desk_with(folder: Path, **service_variables: str) -> Iterator[AzureDesk]:
    """`service_variables`: what Skylift is where it runs, beside the endpoints; {url} is the cloud's."""
    with LocalSubscription() as cloud:
        signed_in = {"AZURE_CLIENT_ID": CLIENT, "AZURE_CLIENT_SECRET": CLIENT_SECRET, "AZURE_TENANT_ID": TENANT}
        variables = {name: value.format(url=cloud.url) for name, value in service_variables.items()}
        with at_a_service(folder, cloud.environment() | variables, cloud.environment() | signed_in) as (env, api):
            yield AzureDesk(env, api, cloud)


IN_AZURE = {"IDENTITY_ENDPOINT": "{url}/msi/token", "IDENTITY_HEADER": "header"}


def test_from_an_empty_subscription_to_a_run_and_back(tmp_path: Path) -> None:
    with desk_with(tmp_path, **IN_AZURE) as desk:
        empty = desk.cloud.everything()
        plan = json.loads(desk.skylift(*CREATE, "--dry-run", "-o", "json"))
        assert plan["changes"] == 10, "there is but one subscription, so nobody is asked for it"
        said = desk.skylift(*CREATE, "--yes", "--canary")
        for line in (
            "Provisioning infrastructure for your work pool my-pool will require:",
            "which costs about $5 a month while idle",
            "Infrastructure successfully provisioned!",
            "COMPLETED",
            "Created work pool 'my-pool'",
            "az acr login --name skyliftmypool",
        ):
            assert line.lower() in said.lower(), said
        pool = desk.pool("my-pool")
        assert pool["status"] == "READY"
        block = desk.block_of(pool)
        assert set(block) == {"client_id", "tenant_id"}, "no key"
        assert desk.pushed_by() == {(block["client_id"], "managed identity")}
        assert "there" in desk.skylift("work-pool", "infra", "my-pool")
        findings = json.loads(desk.skylift("work-pool", "check", "my-pool", "-o", "json"))
        assert not [each for each in findings if each["verdict"] == "failed"], findings
        again = json.loads(desk.skylift("work-pool", "provision-infra", "my-pool", "--dry-run", "-o", "json"))
        assert again["changes"] == 0
        desk.skylift("work-pool", "destroy-infra", "my-pool", "--yes")
        assert desk.cloud.everything() == empty


@pytest.mark.long
def test_with_a_secret_for_a_dispatcher_that_is_nobody_in_azure(tmp_path: Path) -> None:
    with desk_with(tmp_path) as desk:
        said = desk.skylift(*CREATE, "--with-secret", "--yes", "--canary")
        block = desk.block_of(desk.pool("my-pool"))
        assert set(block["client_secret"]) == {"*"}
        assert "told-once" not in said + str(desk.pool("my-pool"))
        assert desk.pushed_by() == {(block["client_id"], "secret")}
        plan = json.loads(desk.skylift("work-pool", "provision-infra", "my-pool", "--dry-run", "-o", "json"))
        assert plan["changes"] == 0
        desk.skylift("work-pool", "provision-infra", "my-pool", "--yes", "--canary")


@pytest.mark.long
def test_with_the_tokens_of_another_issuer(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(TRUSTED)
    elsewhere = {"AZURE_FEDERATED_TOKEN_FILE": str(tmp_path / "token")}
    with desk_with(tmp_path, **elsewhere) as desk:
        desk.skylift(*CREATE, "--dispatcher", TRUSTED, "--yes", "--canary")
        block = desk.block_of(desk.pool("my-pool"))
        assert desk.pushed_by() == {(block["client_id"], "federated")}


@pytest.mark.long
def test_the_commands_of_the_page(tmp_path: Path) -> None:
    """docs/provision/azure.md, in the order of the page; the first one asks."""
    page = (ROOT / "docs" / "provision" / "azure.md").read_text(encoding="utf-8")
    first, *lines = [line.removeprefix("$ skylift ") for line in page.splitlines() if line.startswith("$ skylift ")]
    assert len(lines) > 6
    with desk_with(tmp_path, **IN_AZURE) as desk:
        command = [sys.executable, "-m", "skylift", *shlex.split(first)]
        code, said = typed(command, desk.env, {"[y/N]": "n"})
        assert code == 0, said
        assert not desk.api.post("work_pools/filter", json={}).json()
        assert not any(desk.cloud.everything().values())
        code, said = typed(command, desk.env, {"[y/N]": "y"})
        assert code == 0, said
        assert "Provisioning Infrastructure" in said
        for line in lines:
            desk.skylift(*shlex.split(line))


@pytest.mark.long
def test_the_unmodified_prefect_client(tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    az = tools / "az"
    az.write_text(f'#!/bin/sh\nexec {sys.executable} {ROOT / "tests" / "clouds" / "azure_cli.py"} "$@"\n')
    az.chmod(0o755)
    with desk_with(tmp_path) as desk:
        token = desk.cloud.login.grant(CLIENT, "az login")
        desk.env.update(AZ_URL=desk.cloud.url, AZ_TOKEN=token, AZ_TENANT=TENANT)
        desk.env.update(AZ_APPLICATION="prefect-aci-push-pool-app", PATH=f"{tools}:{os.environ['PATH']}")
        create = (str(PREFECT), "--no-prompt", *CREATE)
        said = desk.types(*create)
        assert "Created work pool 'my-pool'" in said, said
        assert "failed" not in said.lower(), said
        pool = desk.pool("my-pool")
        properties = pool["base_job_template"]["variables"]["properties"]
        assert properties["subscription_id"]["default"] == SUBSCRIPTION
        assert properties["image_registry"]["default"]["registry_url"].endswith(".azurecr.io")
        flow = desk.api.post("flows/", json={"name": "hello"}).json()
        body = {"name": "first", "flow_id": flow["id"], "work_pool_name": "my-pool", "engine": "command"}
        desk.api.post("deployments/", json=body | {"job_variables": {"command": "echo hello"}}).raise_for_status()
        said = desk.types(str(PREFECT), "--no-prompt", "deployment", "run", "hello/first", "--watch")
        assert "Completed" in said, said
