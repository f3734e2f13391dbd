"""Rights as AWS wants them: which actions a call takes, on which resources and in which context, by the Service
Authorization Reference; and who calls.

Neither stand-in asks for what a call takes beside its own action: tagging, passing roles, the execution role's rights.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from tests.clouds import aws_policies
from tests.clouds.aws_backends import ACCOUNT, REGION, Backend
from tests.clouds.aws_wire import Asked

FREE = frozenset(["sts:GetCallerIdentity"])
TO_TASKS = {"iam:PassedToService": "ecs-tasks.amazonaws.com"}
IMAGE = re.compile(rf"{ACCOUNT}\.dkr\.ecr\.{REGION}\.amazonaws\.com/(?P<repository>[^:@]+)")


@dataclass(frozen=True, slots=True)
class Right:
    action: str
    resource: str = "*"
    context: Mapping[str, str] = field(default_factory=dict)


class Rights:
    """Who may do what in one account. Sessions of roles have their roles' inline policies; whoever else calls is the
    account's owner."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self._lock = threading.Lock()
        self._sessions: dict[str, str] = {}

    def missing(self, asked: Asked, key: str) -> Right | None:
        """What the call takes and its caller has not."""
        if asked.operation == "AssumeRole":
            return None if self._is_trusted(asked.parameters) else Right("sts:AssumeRole", asked.parameters["RoleArn"])
        with self._lock:
            role = self._sessions.get(key)
        return self.missing_for(role, *needed(asked)) if role else None

    def missing_for(self, role: str, *wanted: Right) -> Right | None:
        held = list(aws_policies.statements(self.backend, role))
        fits = aws_policies.is_allowed
        return next((each for each in wanted if not fits(held, each.action, each.resource, each.context)), None)

    def assumed(self, asked: Asked, answer: bytes) -> None:
        """From now on that key is a session of the role."""
        key = re.search(rb"<AccessKeyId>(.*?)</AccessKeyId>", answer)
        if key:
            with self._lock:
                self._sessions[key[1].decode()] = asked.parameters["RoleArn"]

    def _is_trusted(self, parameters: Mapping[str, Any]) -> bool:
        name = parameters["RoleArn"].rpartition("/")[2]
        found = self.backend.client("iam").get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"]
        document = json.loads(unquote(found)) if isinstance(found, str) else found
        context = {"sts:ExternalId": parameters.get("ExternalId", "")}
        return any(
            each["Action"] == "sts:AssumeRole"
            and each["Principal"].get("AWS") == f"arn:aws:iam::{ACCOUNT}:root"
            and aws_policies.holds(each.get("Condition", {}), context)
            for each in document["Statement"]
        )


def needed(asked: Asked) -> list[Right]:
    """What the call takes. One that is not here takes its own action, on whatever it is."""
    given = asked.parameters
    if asked.action in FREE:
        return []
    if asked.action == "ecs:RunTask":
        definition = _arn("ecs", f"task-definition/{_tail(given['taskDefinition'], 'task-definition/')}")
        run = Right(asked.action, definition, {"ecs:cluster": _cluster(_cluster_name(given))})
        roles = (given.get("overrides") or {}).values()
        return [run, *_tagging(given, f"task/{_cluster_name(given)}/new"), *_passing(*(str(each) for each in roles))]
    if asked.action == "ecs:RegisterTaskDefinition":
        name = f"task-definition/{given['family']}:1"
        roles = [str(given.get(each, "")) for each in ("executionRoleArn", "taskRoleArn")]
        return [Right(asked.action, _arn("ecs", name)), *_tagging(given, name), *_passing(*roles)]
    on = ON.get(asked.action)
    return [Right(asked.action, each) for each in (on(given) if on else ["*"])]


ON: Mapping[str, Callable[[Mapping[str, Any]], list[str]]] = {
    "ecs:StopTask": lambda given: [_task(given, given["task"])],
    "ecs:DescribeTasks": lambda given: [_task(given, each) for each in given["tasks"]],
    "ecs:DescribeClusters": lambda given: [_cluster(_tail(each, "cluster/")) for each in given["clusters"]],
    "logs:CreateLogGroup": lambda given: [_arn("logs", f"log-group:{given['logGroupName']}:*")],
    "logs:GetLogEvents": lambda given: [_stream(given["logGroupName"], given["logStreamName"])],
    "ecr:DescribeImages": lambda given: [_arn("ecr", f"repository/{given['repositoryName']}")],
    "iam:GetRole": lambda given: [f"arn:aws:iam::{ACCOUNT}:role/{given['RoleName']}"],
    "iam:SimulatePrincipalPolicy": lambda given: [given["PolicySourceArn"]],
    "secretsmanager:DescribeSecret": lambda given: [given["SecretId"]],
    "servicequotas:GetServiceQuota": lambda given: [
        _arn("servicequotas", f"{given['ServiceCode']}/{given['QuotaCode']}")
    ],
}
"""Resources of calls that take but one action."""


def of_start(image: str) -> Iterator[Right]:
    """What Fargate's agent does as the execution role, before a container with this image is there."""
    found = IMAGE.match(image)
    if found:
        yield Right("ecr:GetAuthorizationToken")
        for each in ("BatchGetImage", "GetDownloadUrlForLayer"):
            yield Right(f"ecr:{each}", _arn("ecr", f"repository/{found['repository']}"))


def of_stream(action: str, group: str, stream: str) -> Right:
    return Right(action, _stream(group, stream))


def _tagging(given: Mapping[str, Any], resource: str) -> list[Right]:
    return [Right("ecs:TagResource", _arn("ecs", resource))] if given.get("tags") else []


def _passing(*roles: str) -> list[Right]:
    return [Right("iam:PassRole", each, TO_TASKS) for each in roles if re.fullmatch(r"arn:[\w-]+:iam:.*:role/.*", each)]


def _task(given: Mapping[str, Any], name: str) -> str:
    return name if name.startswith("arn:") else _arn("ecs", f"task/{_cluster_name(given)}/{name}")


def _cluster_name(given: Mapping[str, Any]) -> str:
    return _tail(given.get("cluster", "default"), "cluster/")


def _cluster(name: str) -> str:
    return _arn("ecs", f"cluster/{name}")


def _stream(group: str, stream: str) -> str:
    return _arn("logs", f"log-group:{group}:log-stream:{stream}")


def _tail(name: str, after: str) -> str:
    return name.rpartition(after)[2]


def _arn(service: str, resource: str) -> str:
    return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{resource}"
