"""What a person types, from an empty account to a run that is Completed: with our command line, and with Prefect's."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from skylift_ecs.permissions import ALL
from tests.clouds.aws import LocalAws
from tests.clouds.aws_backends import KEYS, REGION, Ministack
from tests.infra.aws.account import LocalAccount
from tests.infra.journeys import (
    POOL,
    commands_of_the_page,
    creating,
    nothing_planned,
    prefect_makes_a_pool_and_runs_in_it,
    registry_is_handed_over,
    there_and_back,
)
from tests.support.desk import Desk, at_a_service
from tests.support.docker import Tools

CREATE = creating("ecs:push")


@dataclass(frozen=True)
class AwsDesk(Desk):
    block_variable = "aws_credentials"
    cloud: LocalAws
    account: LocalAccount
    tools: Tools


@pytest.fixture
def desk(aws: Ministack, tmp_path: Path) -> Iterator[AwsDesk]:
    aws.reset()
    tools = Tools.at(tmp_path / "tools")
    with LocalAws(aws) as cloud:
        signed_in = {"AWS_ENDPOINT_URL": cloud.url, "AWS_DEFAULT_REGION": REGION}
        signed_in |= {name.upper(): value for name, value in KEYS.items()}
        person = signed_in | {"PATH": f"{tools.folder}:{os.environ['PATH']}"}
        with at_a_service(tmp_path, signed_in, person, cloud.left) as (env, api):
            yield AwsDesk(env, api, tmp_path, cloud, LocalAccount(aws), tools)


def test_from_an_empty_account_to_a_run_and_back(desk: AwsDesk) -> None:
    def while_there(plan: dict[str, Any], pool: dict[str, Any], said: str) -> None:
        assert set(desk.block_of(pool)) == {"region_name", "role_arn", "external_id"}
        (task,) = desk.cloud.containers.all.values()
        assert task.env["SKYLIFT_POOL_SECRET"], "admitted with the pool's own secret"
        assert task.env["SKYLIFT_POOL_SECRET"] not in desk.cloud.journal.shown()
        findings = json.loads(desk.skylift("work-pool", "check", POOL, "-o", "json"))
        assert not [each for each in findings if each["verdict"] == "warning"], findings

    there_and_back(desk, CREATE, desk.account.everything, planned=8, says=["docker login"], while_there=while_there)


@pytest.mark.long
def test_the_commands_of_the_page(desk: AwsDesk) -> None:
    commands_of_the_page(desk, "aws", desk.account.everything, {"build namespace? [y/N]": "y"})
    assert desk.tools.docker_calls()[0]["argv"][0] == "login"


@pytest.mark.long
def test_docker_and_prefect_are_told_of_the_registry(desk: AwsDesk) -> None:
    password = registry_is_handed_over(desk, desk.tools, CREATE, "AWS")
    assert password == base64.b64decode(ecr_token(desk)).decode().partition(":")[2]


def ecr_token(desk: AwsDesk) -> str:
    found = desk.account.client("ecr").get_authorization_token()["authorizationData"]
    return str(found[0]["authorizationToken"])


@pytest.mark.long
def test_with_a_key_for_a_dispatcher_that_is_nobody_in_aws(desk: AwsDesk) -> None:
    create = ("work-pool", "create", "--type", "ecs:push", "--provision-infra", "keyed", "--with-access-key")
    desk.skylift(*create, "--yes", "--canary")
    block = desk.block_of(desk.pool("keyed"))
    assert block["aws_access_key_id"].startswith("AKIA")
    assert set(block["aws_secret_access_key"]) == {"*"}
    nothing_planned(desk, "keyed")
    desk.skylift("work-pool", "provision-infra", "keyed", "--yes", "--canary")


@pytest.mark.long
def test_the_unmodified_prefect_client(desk: AwsDesk) -> None:
    pool = prefect_makes_a_pool_and_runs_in_it(desk, CREATE)
    assert pool["type"] == "ecs:push"
    assert desk.block_of(pool)["aws_access_key_id"]


def test_a_dispatchers_rights_are_what_the_provider_declares(desk: AwsDesk) -> None:
    desk.skylift("work-pool", "create", "--type", "ecs:push", "--provision-infra", "my-pool", "--yes")
    role = desk.block_of(desk.pool("my-pool"))["role_arn"].rpartition("/")[2]
    held = desk.account.client("iam").get_role_policy(RoleName=role, PolicyName="skylift")["PolicyDocument"]
    actions = {action for statement in held["Statement"] for action in statement["Action"]}
    assert actions == {each.action for each in ALL if each.purpose in ("runs", "logs", "check")}
