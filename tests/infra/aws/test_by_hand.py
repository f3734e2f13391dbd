"""What a person types, from an empty account to a run that is Completed: with our command line, and with Prefect's."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from skylift_ecs.permissions import ALL
from tests.clients.conftest import ROOT
from tests.clouds.aws import LocalAws
from tests.clouds.aws_backends import KEYS, REGION, Ministack
from tests.infra.aws.account import LocalAccount
from tests.support.desk import Desk, at_a_service
from tests.support.terminal import typed

PREFECT = ROOT / ".venv-prefect" / "bin" / "prefect"


@dataclass(frozen=True)
class AwsDesk(Desk):
    block_variable = "aws_credentials"
    cloud: LocalAws
    account: LocalAccount


@pytest.fixture
def desk(aws: Ministack, tmp_path: Path) -> Iterator[AwsDesk]:
    aws.reset()
    tools = tmp_path / "tools"
    tools.mkdir()
    docker = tools / "docker"
    docker.write_text('#!/bin/sh\necho "$1" >> "$(dirname "$0")/docker.log"\n')
    docker.chmod(0o755)
    with LocalAws(aws) as cloud:
        signed_in = {"AWS_ENDPOINT_URL": cloud.url, "AWS_DEFAULT_REGION": REGION}
        signed_in |= {name.upper(): value for name, value in KEYS.items()}
        person = signed_in | {"PATH": f"{tools}:{os.environ['PATH']}"}
        with at_a_service(tmp_path, signed_in, person) as (env, api):
            yield AwsDesk(env, api, cloud, LocalAccount(aws))


def test_from_an_empty_account_to_a_run_and_back(desk: AwsDesk) -> None:
    empty = desk.account.everything()
    create = ("work-pool", "create", "--type", "ecs:push", "--provision-infra", "my-pool")
    plan = json.loads(desk.skylift(*create, "--dry-run", "-o", "json"))
    assert plan["changes"] == 8
    said = desk.skylift(*create, "--yes", "--canary")
    for line in (
        "Provisioning infrastructure for your work pool my-pool will require:",
        "Infrastructure successfully provisioned!",
        "COMPLETED",
        "Created work pool 'my-pool'",
        "docker login",
    ):
        assert line.lower() in said.lower(), said
    pool = desk.pool("my-pool")
    assert pool["status"] == "READY"
    assert set(desk.block_of(pool)) == {"region_name", "role_arn", "external_id"}
    (task,) = desk.cloud.containers.all.values()
    assert task.env["SKYLIFT_POOL_SECRET"], "admitted with the pool's own secret"
    assert task.env["SKYLIFT_POOL_SECRET"] not in desk.cloud.journal.shown()
    assert "there" in desk.skylift("work-pool", "infra", "my-pool")
    findings = json.loads(desk.skylift("work-pool", "check", "my-pool", "-o", "json"))
    assert not [each for each in findings if each["verdict"] in ("failed", "warning")], findings
    again = json.loads(desk.skylift("work-pool", "provision-infra", "my-pool", "--dry-run", "-o", "json"))
    assert again["changes"] == 0
    desk.skylift("work-pool", "destroy-infra", "my-pool", "--yes")
    assert desk.account.everything() == empty


@pytest.mark.long
def test_the_commands_of_the_page(desk: AwsDesk) -> None:
    """docs/provision/aws.md, in the order of the page; the first one asks."""
    page = (ROOT / "docs" / "provision" / "aws.md").read_text(encoding="utf-8")
    first, *lines = [line.removeprefix("$ skylift ") for line in page.splitlines() if line.startswith("$ skylift ")]
    command = [sys.executable, "-m", "skylift", *shlex.split(first)]
    code, said = typed(command, desk.env, {"[y/N]": "n"})
    assert code == 0, said
    assert not desk.api.post("work_pools/filter", json={}).json()
    code, said = typed(command, desk.env, {"[y/N]": "y"})
    assert code == 0, said
    assert "Provisioning Infrastructure" in said
    assert len(lines) > 6
    for line in lines:
        desk.skylift(*shlex.split(line))


@pytest.mark.long
def test_with_a_key_for_a_dispatcher_that_is_nobody_in_aws(desk: AwsDesk) -> None:
    create = ("work-pool", "create", "--type", "ecs:push", "--provision-infra", "keyed", "--with-access-key")
    desk.skylift(*create, "--yes", "--canary")
    block = desk.block_of(desk.pool("keyed"))
    assert block["aws_access_key_id"].startswith("AKIA")
    assert set(block["aws_secret_access_key"]) == {"*"}
    plan = json.loads(desk.skylift("work-pool", "provision-infra", "keyed", "--dry-run", "-o", "json"))
    assert plan["changes"] == 0
    desk.skylift("work-pool", "provision-infra", "keyed", "--yes", "--canary")


@pytest.mark.long
def test_the_unmodified_prefect_client(desk: AwsDesk) -> None:
    said = desk.types(
        str(PREFECT), "--no-prompt", "work-pool", "create", "--type", "ecs:push", "--provision-infra", "my-pool"
    )
    assert "Created work pool 'my-pool'" in said, said
    pool = desk.pool("my-pool")
    assert pool["type"] == "ecs:push"
    assert desk.block_of(pool)["aws_access_key_id"]
    flow = desk.api.post("flows/", json={"name": "hello"}).json()
    body = {"name": "first", "flow_id": flow["id"], "work_pool_name": "my-pool", "engine": "command"}
    desk.api.post("deployments/", json=body | {"job_variables": {"command": "echo hello"}}).raise_for_status()
    said = desk.types(str(PREFECT), "--no-prompt", "deployment", "run", "hello/first", "--watch")
    assert "Completed" in said, said


def test_a_dispatchers_rights_are_what_the_provider_declares(desk: AwsDesk) -> None:
    desk.skylift("work-pool", "create", "--type", "ecs:push", "--provision-infra", "my-pool", "--yes")
    role = desk.block_of(desk.pool("my-pool"))["role_arn"].rpartition("/")[2]
    held = desk.account.client("iam").get_role_policy(RoleName=role, PolicyName="skylift")["PolicyDocument"]
    actions = {action for statement in held["Statement"] for action in statement["Action"]}
    assert actions == {each.action for each in ALL if each.purpose in ("runs", "logs", "check")}
