"""What a person types, from an empty subscription to a run that is Completed: with our command line, and with
Prefect's."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from skylift.confidential import NONCE
from tests.clients.conftest import ROOT
from tests.clouds.azure import SUBSCRIPTION
from tests.clouds.azure_infra import LocalSubscription
from tests.clouds.azure_login import CLIENT, CLIENT_SECRET, TENANT
from tests.infra.azure.subscription import TRUSTED
from tests.infra.journeys import (
    commands_of_the_page,
    creating,
    nothing_planned,
    prefect_makes_a_pool_and_runs_in_it,
    registry_is_handed_over,
    there_and_back,
)
from tests.support.desk import Desk, at_a_service
from tests.support.docker import Tools

CREATE = creating("azure-container-instance:push")


@dataclass(frozen=True)
class AzureDesk(Desk):
    block_variable = "aci_credentials"
    cloud: LocalSubscription
    tools: Tools

    def pushed_by(self) -> set[tuple[str, str]]:
        """Clients that tokens were had for, and how; without the person at the desk."""
        return {(each.client, each.how) for each in self.cloud.login.granted.values() if each.client != CLIENT}


@contextmanager
def desk_with(folder: Path, **service_variables: str) -> Iterator[AzureDesk]:
    """`service_variables`: what Skylift is where it runs, beside the endpoints; {url} is the cloud's."""
    with LocalSubscription() as cloud:
        signed_in = {"AZURE_CLIENT_ID": CLIENT, "AZURE_CLIENT_SECRET": CLIENT_SECRET, "AZURE_TENANT_ID": TENANT}
        variables = {name: value.format(url=cloud.url) for name, value in service_variables.items()}
        tools = Tools.at(folder / "tools")
        person = cloud.environment() | signed_in | {"PATH": f"{tools.folder}:{os.environ['PATH']}"}
        with at_a_service(folder, cloud.environment() | variables, person, cloud.left) as (env, api):
            yield AzureDesk(env, api, folder, cloud, tools)


IN_AZURE = {"IDENTITY_ENDPOINT": "{url}/msi/token", "IDENTITY_HEADER": "header"}


def test_from_an_empty_subscription_to_a_run_and_back(tmp_path: Path) -> None:
    with desk_with(tmp_path, **IN_AZURE) as desk:

        def while_there(plan: dict[str, Any], pool: dict[str, Any], said: str) -> None:
            block = desk.block_of(pool)
            assert set(block) == {"client_id", "tenant_id"}, "no key"
            assert desk.pushed_by() == {(block["client_id"], "managed identity")}
            findings = json.loads(desk.skylift("work-pool", "check", "my-pool", "-o", "json"))
            told = {each["what"]: each for each in findings}["Pool secret"]
            assert told["verdict"] == "ok"
            (run,) = desk.cloud.containers.all.values()
            assert run.env[NONCE], "which is what it is admitted with"
            assert run.env[NONCE] not in desk.cloud.journal.shown()

        there_and_back(
            desk,
            CREATE,
            desk.cloud.everything,
            planned=10,  # there is but one subscription, so nobody is asked for it
            says=["which costs about $5 a month while idle", "az acr login --name skyliftmypool"],
            while_there=while_there,
        )


@pytest.mark.long
def test_with_a_secret_for_a_dispatcher_that_is_nobody_in_azure(tmp_path: Path) -> None:
    with desk_with(tmp_path) as desk:
        said = desk.skylift(*CREATE, "--with-secret", "--yes", "--canary")
        block = desk.block_of(desk.pool("my-pool"))
        assert set(block["client_secret"]) == {"*"}
        assert "told-once" not in said + str(desk.pool("my-pool"))
        assert desk.pushed_by() == {(block["client_id"], "secret")}
        nothing_planned(desk)
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
    with desk_with(tmp_path, **IN_AZURE) as desk:
        commands_of_the_page(desk, "azure", desk.cloud.everything, {"build namespace? [y/N]": "n"})


@pytest.mark.long
def test_docker_and_prefect_are_told_of_the_registry(tmp_path: Path) -> None:
    with desk_with(tmp_path, **IN_AZURE) as desk:
        password = registry_is_handed_over(desk, desk.tools, CREATE, "00000000-0000-0000-0000-000000000000")
        assert desk.cloud.registry_tokens[password] == CLIENT, "as whoever types"


@pytest.mark.long
def test_the_unmodified_prefect_client(tmp_path: Path) -> None:
    tools = tmp_path / "az"
    tools.mkdir()
    az = tools / "az"
    az.write_text(f'#!/bin/sh\nexec {sys.executable} {ROOT / "tests" / "clouds" / "azure_cli.py"} "$@"\n')
    az.chmod(0o755)
    with desk_with(tmp_path) as desk:
        token = desk.cloud.login.grant(CLIENT, "az login")
        desk.env.update(AZ_URL=desk.cloud.url, AZ_TOKEN=token, AZ_TENANT=TENANT)
        desk.env.update(AZ_APPLICATION="prefect-aci-push-pool-app", PATH=f"{tools}:{os.environ['PATH']}")
        pool = prefect_makes_a_pool_and_runs_in_it(desk, CREATE)
        properties = pool["base_job_template"]["variables"]["properties"]
        assert properties["subscription_id"]["default"] == SUBSCRIPTION
        assert properties["image_registry"]["default"]["registry_url"].endswith(".azurecr.io")
