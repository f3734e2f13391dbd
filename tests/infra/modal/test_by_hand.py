"""What a person types, from a workspace with nothing in it to a run that is Completed: with our command line, and with
Prefect's."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from skylift.confidential import POOL_SECRET
from tests.clients.conftest import ROOT
from tests.clouds.modal_cloud import TOKEN_ID
from tests.clouds.modal_infra import SERVICE, LocalWorkspace
from tests.support.desk import Desk, at_a_service
from tests.support.terminal import typed

PREFECT = ROOT / ".venv-prefect" / "bin" / "prefect"
CREATE = ("work-pool", "create", "--type", "modal:push", "--provision-infra", "my-pool")


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
        with at_a_service(tmp_path, nowhere, nowhere | cloud.environment) as (env, api):
            yield ModalDesk(env, api, cloud)


def test_from_an_empty_workspace_to_a_run_and_back(desk: ModalDesk) -> None:
    empty = desk.cloud.everything()
    plan = json.loads(desk.skylift(*CREATE, "--dry-run", "-o", "json"))
    assert plan["changes"] == 3
    assert any("what ada may" in each for each in plan["pool_changes"])
    said = desk.skylift(*CREATE, "--yes", "--canary")
    for line in (
        "Provisioning infrastructure for your work pool my-pool will require:",
        "Infrastructure successfully provisioned!",
        "COMPLETED",
        "Created work pool 'my-pool'",
        "a person's token",
    ):
        assert line.lower() in said.lower(), said
    pool = desk.pool("my-pool")
    assert pool["status"] == "READY"
    assert desk.block_of(pool)["token_id"] == TOKEN_ID
    (run,) = desk.cloud.containers.all.values()
    assert run.env[POOL_SECRET], "admitted with the pool's own secret"
    assert run.env[POOL_SECRET] not in desk.cloud.journal.shown()
    assert "there" in desk.skylift("work-pool", "infra", "my-pool")
    findings = json.loads(desk.skylift("work-pool", "check", "my-pool", "-o", "json"))
    assert not [each for each in findings if each["verdict"] == "failed"], findings
    again = json.loads(desk.skylift("work-pool", "provision-infra", "my-pool", "--dry-run", "-o", "json"))
    assert again["changes"] == 0
    desk.skylift("work-pool", "destroy-infra", "my-pool", "--yes")
    assert desk.cloud.everything() == empty


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
    """docs/provision/modal.md, in the order of the page; the first one asks."""
    page = (ROOT / "docs" / "provision" / "modal.md").read_text(encoding="utf-8")
    first, *lines = [line.removeprefix("$ skylift ") for line in page.splitlines() if line.startswith("$ skylift ")]
    assert len(lines) > 6
    before = desk.cloud.everything()
    command = [sys.executable, "-m", "skylift", *shlex.split(first)]
    code, said = typed(command, desk.env, {"[y/N]": "n"})
    assert code == 0, said
    assert not desk.api.post("work_pools/filter", json={}).json()
    assert desk.cloud.everything() == before
    code, said = typed(command, desk.env, {"[y/N]": "y"})
    assert code == 0, said
    assert "Provisioning Infrastructure" in said
    for line in lines:
        desk.skylift(*shlex.split(line))


@pytest.mark.long
def test_the_unmodified_prefect_client(desk: ModalDesk) -> None:
    said = desk.types(str(PREFECT), "--no-prompt", *CREATE)
    assert "Created work pool 'my-pool'" in said, said
    assert desk.block_of(desk.pool("my-pool"))["token_id"] == TOKEN_ID
    flow = desk.api.post("flows/", json={"name": "hello"}).json()
    body = {"name": "first", "flow_id": flow["id"], "work_pool_name": "my-pool", "engine": "command"}
    desk.api.post("deployments/", json=body | {"job_variables": {"command": "echo hello"}}).raise_for_status()
    said = desk.types(str(PREFECT), "--no-prompt", "deployment", "run", "hello/first", "--watch")
    assert "Completed" in said, said
