"""What a person types, from a workspace with nothing in it to a run that is Completed: with our command line, and with
Prefect's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from skylift.confidential import POOL_SECRET
from tests.clouds.modal_cloud import TOKEN_ID
from tests.clouds.modal_infra import SERVICE, LocalWorkspace
from tests.infra.journeys import commands_of_the_page, creating, prefect_makes_a_pool_and_runs_in_it, there_and_back
from tests.support.desk import Desk, at_a_service

CREATE = creating("modal:push")


@dataclass(frozen=True)
class ModalDesk(Desk):
    """The service has no token of its own."""

    block_variable = "modal_credentials"
    cloud: LocalWorkspace


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModalDesk]:
    for name in ("MODAL_TOKEN_ID", "MODAL_TOKEN_SECRET", "MODAL_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    with LocalWorkspace() as cloud:
        nowhere = {"MODAL_SERVER_URL": cloud.url, "MODAL_CONFIG_PATH": str(tmp_path / "modal.toml")}
        with at_a_service(tmp_path, nowhere, nowhere | cloud.environment, cloud.left) as (env, api):
            yield ModalDesk(env, api, tmp_path, cloud)


def test_from_an_empty_workspace_to_a_run_and_back(desk: ModalDesk) -> None:
    def while_there(plan: dict[str, Any], pool: dict[str, Any], said: str) -> None:
        assert any("what ada may" in each for each in plan["pool_changes"])
        assert desk.block_of(pool)["token_id"] == TOKEN_ID
        (run,) = desk.cloud.containers.all.values()
        assert run.env[POOL_SECRET], "admitted with the pool's own secret"
        assert run.env[POOL_SECRET] not in desk.cloud.journal.shown()

    there_and_back(desk, CREATE, desk.cloud.everything, planned=3, says=["a person's token"], while_there=while_there)


@pytest.mark.long
def test_with_a_service_users_token(desk: ModalDesk) -> None:
    """It may only use the environment that is there; what is pushed is pushed with it."""
    desk.cloud.owners[SERVICE[0]].environments = {"main"}
    alone = {"MODAL_TOKEN_ID": "", "MODAL_TOKEN_SECRET": ""}
    create = (*CREATE, "--environment", "main", "--token-id", SERVICE[0], "--yes", "--canary")
    assert "MODAL_TOKEN_SECRET" in desk.skylift(*create, code=1, more=alone)
    said = desk.skylift(*create, more=alone | {"MODAL_TOKEN_SECRET": SERVICE[1]})
    assert "completed" in said.lower()
    assert SERVICE[1] not in said
    assert desk.block_of(desk.pool("my-pool")) == {"token_id": SERVICE[0], "token_secret": "********"}
    desk.skylift("work-pool", "provision-infra", "my-pool", "--yes", "--canary")
    assert desk.block_of(desk.pool("my-pool"))["token_id"] == SERVICE[0]


@pytest.mark.long
def test_the_commands_of_the_page(desk: ModalDesk) -> None:
    commands_of_the_page(desk, "modal", desk.cloud.everything, {})


@pytest.mark.long
def test_there_is_no_registry_to_log_in_to(desk: ModalDesk) -> None:
    assert "no registry of their own" in desk.skylift(*CREATE, "--docker-login", "--yes", code=2)


@pytest.mark.long
def test_the_unmodified_prefect_client(desk: ModalDesk) -> None:
    pool = prefect_makes_a_pool_and_runs_in_it(desk, CREATE)
    assert desk.block_of(pool)["token_id"] == TOKEN_ID
