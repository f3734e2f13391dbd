"""The policies against AWS's own list of actions, their resources, conditions and dependencies."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import pytest

from skylift_ecs.permissions import ALL, Names
from skylift_infra.aws import policies

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from policy_sentry.querying.actions import get_action_data

NAMES = Names(
    partition="aws",
    region="eu-central-1",
    account="123456789012",
    cluster="runs",
    log_group="/skylift/runs",
    roles=("arn:aws:iam::123456789012:role/execution", "arn:aws:iam::123456789012:role/task"),
    dispatcher="arn:aws:iam::123456789012:role/dispatcher",
    bucket="files",
)
SECRET = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:pool-??????"
POLICIES = {
    "dispatcher": policies.dispatcher_policy(NAMES, ("runs", "logs", "secrets", "check")),
    "execution": policies.execution_policy(NAMES, SECRET),
}
UNNAMESD = {
    "ecr:GetAuthorizationToken",
    "ec2:DescribeSubnets",
    "ecs:DescribeTaskDefinition",
    "ecs:ListTaskDefinitionFamilies",
    "ecs:ListTaskDefinitions",
    "ecs:ListTasks",  # could be limited to container instances, and is not asked about those
    "ssm:DescribeParameters",
}
"""Actions that AWS knows no resource for: `*` is all that can be said of them."""


@cache
def known(action: str) -> list[dict[str, Any]]:
    """What AWS says of the action, an entry for each kind of resource."""
    service, _, name = action.partition(":")
    found = get_action_data(service, name)
    assert found, f"AWS knows no action {action}"
    entries: list[dict[str, Any]] = found[service]
    return entries


def statements(name: str) -> Iterator[tuple[str, list[str], Mapping[str, Any]]]:
    for statement in POLICIES[name]["Statement"]:
        for action in statement["Action"]:
            yield action, statement["Resource"], statement.get("Condition", {})


def fits(arn: str, form: str) -> bool:
    """Whether something that this ARN names is a resource of that form. Both have parts that are left open."""
    return overlap(arn, re.sub(r"\$\{\w+\}", "*", form))


@cache
def overlap(one: str, other: str) -> bool:
    """Whether some text fits both patterns, of which `*` and `?` are wild."""
    if not one or not other:
        return not (one + other).strip("*")
    if one[0] == "*":
        return overlap(one[1:], other) or overlap(one, other[1:])
    if other[0] == "*":
        return overlap(one, other[1:]) or overlap(one[1:], other)
    return (one[0] == other[0] or "?" in (one[0], other[0])) and overlap(one[1:], other[1:])


@pytest.mark.parametrize("name", POLICIES)
def test_every_action_exists_and_its_resources_are_of_its_kinds(name: str) -> None:
    for action, resources, conditions in statements(name):
        forms = {entry["resource_arn_format"] for entry in known(action)}
        for resource in resources:
            if resource == "*":
                assert action in UNNAMESD or forms == {"*"}, f"{action} could be limited to {sorted(forms)}"
            else:
                assert any(fits(resource, form) for form in forms - {"*"}), f"{action} on {resource}: {sorted(forms)}"
        keys = {re.sub(r"\$\{\w+\}", "x", key) for entry in known(action) for key in entry["condition_keys"]}
        for tests in conditions.values():
            for key in tests:
                assert key in keys, f"{action} knows no condition {key}"


@pytest.mark.parametrize("name", POLICIES)
def test_what_an_action_depends_on_is_allowed_too(name: str) -> None:
    allowed = {action for action, _, _ in statements(name)}
    for action in allowed:
        if action == "servicequotas:GetServiceQuota":
            continue  # depends on each service's own way of counting; ours is counted by Service Quotas itself
        needed = {each for entry in known(action) for each in entry["dependent_actions"]}
        assert needed <= allowed, f"{action} needs {needed - allowed}"


def test_a_dispatcher_may_do_what_the_provider_declares_and_no_more() -> None:
    assert {action for action, _, _ in statements("dispatcher")} == {each.action for each in ALL}


def test_nothing_is_allowed_beyond_the_pool() -> None:
    text = str(POLICIES)
    assert "'*:*'" not in text
    for action, resources, _ in statements("dispatcher"):
        assert "*" not in action
        if action == "iam:PassRole":
            assert resources == list(NAMES.roles)
