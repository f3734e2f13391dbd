"""serverless.yml says what the platform's data say: each handler, its rights, its events and its package."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml
from policy_sentry.querying.actions import get_action_data

import package_aws
from skylift_functions.aws import PLATFORM
from skylift_functions.aws.platform import Function

ROOT = Path(__file__).parents[3]
TRACING = {"xray:PutTraceSegments", "xray:PutTelemetryRecords"}
SIGNING_IN = {"dsql:DbConnectAdmin"}
"""Where the database is Aurora DSQL."""
PUSHING = {"sts:AssumeRole"}
"""The pools' own roles have the rest."""
BY_PARAMETER = {"ssm:GetParameter"}
"""Of those that keep secrets in parameters; here they are in Secrets Manager."""


class Loader(yaml.SafeLoader):
    """CloudFormation's short forms are what they stand for."""


def _short(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)  # type: ignore[arg-type]
    return {suffix: value}


Loader.add_multi_constructor("!", _short)


def read(path: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.load((ROOT / path).read_text(), Loader)
    return found


SERVICE, ROLES = read("serverless.yml"), read("functions/serverless/roles.yml")["Resources"]
QUEUES = read("functions/serverless/queues.yml")["Resources"]


def test_every_function_is_deployed_and_no_other() -> None:
    assert set(SERVICE["functions"]) == {each.name for each in PLATFORM.functions}


@pytest.mark.parametrize("function", PLATFORM.functions, ids=lambda each: each.name)
def test_a_function_is_what_the_platform_says(function: Function) -> None:
    about = SERVICE["functions"][function.name]
    module, _, name = about["handler"].rpartition(".")
    assert callable(getattr(import_module(module), name))
    assert (about["handler"], about["timeout"], about["memorySize"]) == (
        function.handler,
        function.timeout,
        function.memory,
    )
    assert about["package"]["artifact"] == f"dist/skylift-aws-{function.name}.zip"
    assert function.name in package_aws.LEFT_OUT
    events = {kind: value for each in about["events"] for kind, value in each.items()}
    if function.queue:
        queue = QUEUES[f"{function.queue.capitalize()}Queue"]["Properties"]
        assert events["sqs"]["arn"] == {"GetAtt": f"{function.queue.capitalize()}Queue.Arn"}
        assert events["sqs"]["functionResponseType"] == "ReportBatchItemFailures"
        assert queue["VisibilityTimeout"] == 6 * function.timeout
        assert queue["RedrivePolicy"]["maxReceiveCount"] == 10
    if function.every:
        assert events["schedule"]["rate"] == [f"rate({function.every} minutes)"]
    assert events.get("eventBridge", {}).get("pattern") == function.pattern
    routes = [each["httpApi"] for each in about["events"] if "httpApi" in each]
    told = tuple("$default" if each == "*" else f"{each['method']} {each['path']}" for each in routes)
    assert told == function.routes


@pytest.mark.parametrize("function", PLATFORM.functions, ids=lambda each: each.name)
def test_a_role_holds_what_its_function_needs_and_nothing_else(function: Function) -> None:
    (policy,) = ROLES[SERVICE["functions"][function.name]["role"]]["Properties"]["Policies"]
    granted: dict[str, Any] = {}
    for each in policy["PolicyDocument"]["Statement"]:
        statement = each["Fn::If"][1] if "Fn::If" in each else each
        granted |= dict.fromkeys(statement["Action"], statement["Resource"])
    wanted = set(function.permissions) - BY_PARAMETER
    assert set(granted) == wanted | TRACING | SIGNING_IN | (PUSHING if function.pushes else set())
    for action, resource in granted.items():
        service, name = action.split(":")
        assert get_action_data(service, name)
        assert resource != "*" or action in TRACING
    queues = granted["sqs:SendMessage"]
    assert len(queues if isinstance(queues, list) else [queues]) == len(function.permissions["sqs:SendMessage"])


def test_the_variables_are_those_that_are_read() -> None:
    shared = set(SERVICE["provider"]["environment"]) - {"SKYLIFT_DATABASE_URL"}
    assert shared | set(SERVICE["functions"]["api"]["environment"]) == set(PLATFORM.variables)
    assert all("environment" not in about for name, about in SERVICE["functions"].items() if name != "api")
