"""What the façade's calls need in the account, as data: for the provisioner's policy, `work-pool check` and the local
cloud, which refuses everything else."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal, TypeVar

Purpose = Literal["runs", "logs", "secrets", "check"]
"""runs: nothing works without. logs: a log group of our making, and reading it. secrets: bare commands that hold some.
check: only `work-pool check` asks; it says `unknown` where it may not."""
F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Permission:
    """One action. `resource` is an ARN with `{partition}`, `{region}`, `{account}`, `{cluster}`, `{log_group}`,
    `{bucket}` and `{dispatcher}` (who has these rights) to fill in, `*` where the action knows none, or `roles`: the
    tasks' roles by name."""

    action: str
    resource: str
    purpose: Purpose

    def resources(self, names: Names) -> tuple[str, ...]:
        """What it is on, in one account."""
        if self.resource == "roles":
            return tuple(names.roles)
        return (self.resource.format(**{each.name: getattr(names, each.name) for each in fields(names)}),)


@dataclass(frozen=True, slots=True)
class Names:
    """What rights are limited to."""

    partition: str
    region: str
    account: str
    cluster: str
    log_group: str
    dispatcher: str
    """The ARN of the role or user that has these rights."""
    roles: Sequence[str] = ()
    """ARNs of the roles that tasks may be given."""
    bucket: str = ""
    """For the environment files of bare commands that hold secrets, where there is one."""

    @property
    def cluster_arn(self) -> str:
        return f"arn:{self.partition}:ecs:{self.region}:{self.account}:cluster/{self.cluster}"


_TASK = "arn:{partition}:ecs:{region}:{account}:task/{cluster}/*"
_DEFINITION = "arn:{partition}:ecs:{region}:{account}:task-definition/*"
_GROUP = "arn:{partition}:logs:{region}:{account}:log-group:{log_group}:*"
_OBJECTS = "arn:{partition}:s3:::{bucket}/skylift/*"

ALL: tuple[Permission, ...] = (
    Permission("ecs:RunTask", _DEFINITION, "runs"),
    Permission("ecs:TagResource", _TASK, "runs"),
    Permission("ecs:TagResource", _DEFINITION, "runs"),
    Permission("iam:PassRole", "roles", "runs"),
    Permission("ecs:StopTask", _TASK, "runs"),
    Permission("ecs:DescribeTasks", _TASK, "runs"),
    Permission("ecs:ListTasks", "*", "runs"),
    Permission("ecs:RegisterTaskDefinition", _DEFINITION, "runs"),
    Permission("ecs:DescribeTaskDefinition", "*", "runs"),
    Permission("ecs:ListTaskDefinitions", "*", "runs"),
    Permission("ecs:ListTaskDefinitionFamilies", "*", "runs"),
    Permission("ecs:DeregisterTaskDefinition", "*", "runs"),
    Permission("ec2:DescribeSubnets", "*", "runs"),
    Permission("logs:CreateLogGroup", _GROUP, "logs"),
    Permission("logs:GetLogEvents", _GROUP, "logs"),
    Permission("s3:PutObject", _OBJECTS, "secrets"),
    Permission("s3:DeleteObject", _OBJECTS, "secrets"),
    Permission("s3:ListBucket", "arn:{partition}:s3:::{bucket}", "secrets"),
    Permission("ecs:DescribeClusters", "arn:{partition}:ecs:{region}:{account}:cluster/{cluster}", "check"),
    Permission("ecr:DescribeImages", "arn:{partition}:ecr:{region}:{account}:repository/*", "check"),
    Permission("iam:SimulatePrincipalPolicy", "{dispatcher}", "check"),
    Permission("iam:GetRole", "roles", "check"),
    Permission("logs:DescribeLogGroups", "*", "check"),
    Permission("secretsmanager:DescribeSecret", "arn:{partition}:secretsmanager:{region}:{account}:secret:*", "check"),
    Permission("servicequotas:GetServiceQuota", "arn:{partition}:servicequotas:{region}:{account}:fargate/*", "check"),
    Permission("ssm:DescribeParameters", "*", "check"),
)
KNOWN = {each.action: each for each in ALL}
FREE = frozenset(["sts:GetCallerIdentity"])
"""What everybody may do."""


def needs(*actions: str) -> Callable[[F], F]:
    """Marks a call of the façade with the actions that it needs; each must be in `ALL`."""
    unknown = [each for each in actions if each not in KNOWN and each not in FREE]
    if unknown:
        raise ValueError(f"undeclared: {unknown}")

    def mark(call: F) -> F:
        call.needs = actions  # type: ignore[attr-defined]
        return call

    return mark


def needed(calls: Iterable[Any]) -> set[str]:
    """The actions that these methods are marked with."""
    return {action for call in calls for action in getattr(call, "needs", ())}
