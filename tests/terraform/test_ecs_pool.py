"""The module for ECS pools: the same resources and rights as `--provision-infra`, and Skylift is told of the pool."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import httpx
import pytest

from skylift.provisioner import PoolIdentity
from skylift_infra.aws.account import Account
from skylift_infra.aws.events import Function, Queue
from skylift_infra.aws.identities import POLICY, Role
from skylift_infra.aws.place import KEPT_DAYS, PROVIDERS
from skylift_infra.aws.policies import lifecycle_policy
from skylift_infra.aws.provisioner import EcsProvisioner, Layout
from tests.support.service import ROOT, clean_environment, serving
from tests.terraform.conftest import Open
from tests.terraform.workspace import TERRAFORM, planned_resources

pytestmark = [pytest.mark.terraform, pytest.mark.timeout(300)]

MODULE = TERRAFORM / "pools" / "ecs"
POOL = PoolIdentity("My nightly Pool!", "ecs:push", UUID("0192f0c1-2f4b-7cc3-8f3e-6f1d2a9b4c5d"))
REGION, ACCOUNT = "eu-central-1", "123456789012"
FUNCTION = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:observe"
QUEUE = f"arn:aws:sqs:{REGION}:{ACCOUNT}:observe"
ELSEWHERE = "arn:aws:iam::210987654321:role/skylift"
KINDS = {
    "ECS cluster": "aws_ecs_cluster",
    "log group": "aws_cloudwatch_log_group",
    "ECR repository": "aws_ecr_repository",
    "secret": "aws_secretsmanager_secret",
    "IAM role": "aws_iam_role",
    "VPC": "aws_vpc",
    "internet gateway": "aws_internet_gateway",
    "subnet": "aws_subnet",
    "route table": "aws_route_table",
    "security group": "aws_security_group",
    "EventBridge rule": "aws_cloudwatch_event_rule",
}
NAMED_BY_TAG = {"VPC", "internet gateway", "subnet", "route table", "security group"}
PARTS = {
    "aws_ecs_cluster_capacity_providers",
    "aws_ecr_lifecycle_policy",
    "aws_iam_role_policy",
    "aws_secretsmanager_secret_version",
    "aws_route",
    "aws_route_table_association",
    "aws_vpc_security_group_egress_rule",
    "aws_cloudwatch_event_target",
    "aws_lambda_permission",
    "aws_sqs_queue_policy",
    "terraform_data",
}
"""What AWS has as a part of something else, or what is Terraform's own."""


class EmptyAccount(Account):
    """Somebody is signed in, and there is nothing but zones and, with `default_vpc`, a default VPC."""

    default_vpc = True

    @property
    def identity(self) -> Mapping[str, str]:
        return {"Account": ACCOUNT, "Arn": f"arn:aws:iam::{ACCOUNT}:user/somebody"}

    def client(self, service: str) -> Any:
        return self

    def describe_vpcs(self, *, Filters: list[dict[str, Any]]) -> Any:  # noqa: N803
        wants_default = Filters[0]["Name"] == "is-default"
        return {"Vpcs": [{"VpcId": "vpc-0a"}] if wants_default and self.default_vpc else []}

    def describe_subnets(self, **_: Any) -> Any:
        return {"Subnets": [{"SubnetId": "subnet-0a", "VpcId": "vpc-0a"}]}

    def describe_availability_zones(self) -> Any:
        return {"AvailabilityZones": [{"ZoneName": f"{REGION}{each}"} for each in "abc"]}


class NoDefaultVpc(EmptyAccount):
    default_vpc = False


def layout(account: type[EmptyAccount], pool: PoolIdentity = POOL, **answers: Any) -> Layout:
    """What `--provision-infra` would make, by its own code."""
    defaults = {each.name: each.default for each in EcsProvisioner().questions}
    return Layout(account(REGION), pool, defaults | answers)


Variant = tuple[type[EmptyAccount], dict[str, Any], dict[str, Any]]
VARIANTS: dict[str, Variant] = {
    "default network": (EmptyAccount, {}, {}),
    "own network": (NoDefaultVpc, {"events_to": QUEUE}, {"create_vpc": True, "events_to": QUEUE}),
    "a function is told": (EmptyAccount, {"events_to": FUNCTION}, {"events_to": FUNCTION}),
    "what is there": (
        EmptyAccount,
        {"cluster": "runs", "repository": "images", "subnets": ["subnet-0a"], "dispatcher": ELSEWHERE},
        {"cluster": "runs", "repository": "images", "subnets": ["subnet-0a"], "dispatcher": ELSEWHERE},
    ),
}


@pytest.fixture(params=VARIANTS)
def both(request: pytest.FixtureRequest, workspace: Open) -> tuple[Layout, dict[str, dict[str, Any]]]:
    """The provisioner's resources, and what the module plans."""
    account, answers, variables = VARIANTS[request.param]
    terraform = workspace(MODULE)
    terraform.init()
    values = {"name": POOL.name, "installation_id": str(POOL.installation_id), **variables}
    given = [f"-var={key}={each if isinstance(each, str) else json.dumps(each)}" for key, each in values.items()]
    return layout(account, **answers), planned_resources(terraform.plan(*given))


Both = tuple[Layout, dict[str, dict[str, Any]]]


def test_the_same_things_of_the_same_names_with_the_same_marks(both: Both) -> None:
    ours, planned = both
    given = {ours.answers["cluster"], ours.answers["repository"]}
    made = [each for each in ours.resources() if each.kind in KINDS and each.name not in given]
    assert {each.kind for each in ours.resources()} <= {*KINDS, "subnets"}
    expected = sorted((KINDS[each.kind], each.name) for each in made)
    found = []
    for address, values in planned.items():
        kind = address.split(".")[0]
        if kind in PARTS:
            continue
        by_tag = kind in {KINDS[each] for each in NAMED_BY_TAG}
        found.append((kind, values["tags"]["Name"] if by_tag else values["name"]))
        assert ours.tags.items() <= values["tags"].items(), address
    assert sorted(found) == expected


def test_the_same_rights(both: Both) -> None:
    ours, planned = both
    roles = {each.name: each for each in ours.resources() if isinstance(each, Role)}
    trusts = {
        values["name"]: json.loads(values["assume_role_policy"])
        for address, values in planned.items()
        if address.startswith("aws_iam_role.")
    }
    rights = {
        values["role"]: (values["name"], json.loads(values["policy"]))
        for address, values in planned.items()
        if address.startswith("aws_iam_role_policy.")
    }
    assert trusts == {name: each.trust for name, each in roles.items()}
    assert rights == {name: (POLICY, each.policy) for name, each in roles.items() if each.policy}


def test_the_same_place(both: Both) -> None:
    ours, planned = both
    assert planned["aws_cloudwatch_log_group.this"]["retention_in_days"] == KEPT_DAYS
    if not ours.answers["cluster"]:
        providers = planned["aws_ecs_cluster_capacity_providers.this[0]"]
        assert sorted(providers["capacity_providers"]) == sorted(PROVIDERS)
    if not ours.answers["repository"]:
        assert json.loads(planned["aws_ecr_lifecycle_policy.this[0]"]["policy"]) == lifecycle_policy()
    rules = [each for each in ours.resources() if each.kind == "EventBridge rule"]
    if rules:
        made = {"cluster": {"arn": f"arn:aws:ecs:{REGION}:{ACCOUNT}:cluster/{ours.cluster}"}}
        pattern = json.loads(planned["aws_cloudwatch_event_rule.this[0]"]["event_pattern"])
        assert pattern == rules[0]._pattern(made)  # type: ignore[attr-defined]
        assert told_by(planned) == rules[0]._told  # type: ignore[attr-defined]
        assert leave_given_by(planned) == leave_of(rules[0])
    assert not [address for address in planned if "ingress" in address], "nothing may come in"


def told_by(planned: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The rule's target, as EventBridge's API has it."""
    target = planned["aws_cloudwatch_event_target.this[0]"]
    found = {"Id": target["target_id"], "Arn": target["arn"]}
    for each in target["input_transformer"]:
        found["InputTransformer"] = {"InputPathsMap": each["input_paths"], "InputTemplate": each["input_template"]}
    return found


RULE = f"arn:aws:events:{REGION}:{ACCOUNT}:rule/"


def leave_of(rule: Any) -> Any:
    """What the provisioner lets EventBridge do."""
    if isinstance(rule.target, Queue):
        return [rule.target._statement(rule.name, RULE + rule.name)]
    asked: list[dict[str, Any]] = []
    account = SimpleNamespace(client=lambda _: SimpleNamespace(add_permission=lambda **words: asked.append(words)))
    Function(account, rule.target.arn).allow(rule.name, RULE + rule.name)  # type: ignore[arg-type]
    return asked


def leave_given_by(planned: dict[str, dict[str, Any]]) -> Any:
    """What the module lets EventBridge do; the rule's ARN is known only once it is made."""
    queues = [each for address, each in planned.items() if address.startswith("aws_sqs_queue_policy.")]
    if queues:
        return json.loads(queues[0]["policy"])["Statement"]
    permission = planned["aws_lambda_permission.events[0]"]
    return [
        {
            "FunctionName": permission["function_name"],
            "StatementId": permission["statement_id"],
            "Action": permission["action"],
            "Principal": permission["principal"],
            "SourceArn": RULE + planned["aws_cloudwatch_event_rule.this[0]"]["name"],
        }
    ]


# -- Skylift is told --------------------------------------------------------------------------------------------------


def test_skylift_is_told_and_told_again(workspace: Open, tmp_path: Path) -> None:
    """By the real command, against the real service, as somebody who applies the example does it."""
    terraform = workspace(MODULE / "examples" / "own_network")
    terraform.init()
    home = tmp_path / "home"
    home.mkdir()
    with serving(home) as service:
        env = {"SKYLIFT_API_URL": service.url, "PATH": f"{ROOT / '.venv' / 'bin'}:{clean_environment()['PATH']}"}
        said = terraform.apply(env=env)
        assert "Apply complete!" in said
        pool = inspected(service.url)
        assert (pool["type"], pool["status"], pool["concurrency_limit"]) == ("ecs:push", "READY", 20)
        (admits,) = pool["settings"]["admission_secrets"]
        assert len(admits) == 64
        assert admits not in (tmp_path / "state").read_text()
        expected = layout(NoDefaultVpc, EXAMPLE).handover(made_by(terraform.state()))
        properties = pool["base_job_template"]["variables"]["properties"]
        assert {name: properties[name]["default"] for name in expected.variables} == expected.variables
        block = block_of(service.url)
        assert {name: block[name] for name in expected.block_data} == expected.block_data

        assert "0 added, 0 changed, 0 destroyed" in terraform.apply(env=env), "the second time there is nothing to do"
        assert inspected(service.url) == pool


EXAMPLE = PoolIdentity("nightly", "ecs:push", UUID(int=0))


def made_by(state: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """What terraform made, as the provisioner has it."""
    found = {f"{each['type']}.{each['name']}": each["instances"] for each in state["resources"]}
    roles = {name: found[f"aws_iam_role.{name}"] for name in ("execution", "task", "dispatcher")}
    others = {
        "secret": found["aws_secretsmanager_secret.admission"],
        "repository": found["aws_ecr_repository.this"],
        "vpc": found["aws_vpc.this"],
        "security-group": found["aws_security_group.this"],
    }
    subnets = {f"subnet-{at}": [each] for at, each in enumerate(found["aws_subnet.this"])}
    made = {name: {**each[0]["attributes"], "sha256": ""} for name, each in {**roles, **others, **subnets}.items()}
    made["repository"]["uri"] = made["repository"]["repository_url"]
    return made


def inspected(url: str) -> dict[str, Any]:
    found: dict[str, Any] = httpx.get(f"{url}/work_pools/nightly", timeout=30).raise_for_status().json()
    return found


def block_of(url: str) -> dict[str, Any]:
    name = f"{url}/block_types/slug/aws-credentials/block_documents/name/nightly-aws-credentials"
    found: dict[str, Any] = httpx.get(name, timeout=30).raise_for_status().json()["data"]
    return found


def test_skylift_that_cannot_be_reached_is_told_the_next_time(workspace: Open) -> None:
    terraform = workspace(MODULE / "examples" / "own_network")
    terraform.init()
    path = {"PATH": f"{ROOT / '.venv' / 'bin'}:{clean_environment()['PATH']}"}
    with pytest.raises(AssertionError, match="local-exec provisioner error"):
        terraform.apply(env=path | {"SKYLIFT_API_URL": "http://127.0.0.1:1/api"})
    plan = terraform.plan()
    assert [*planned_resources(plan)] == ["module.nightly.terraform_data.registration[0]"]
