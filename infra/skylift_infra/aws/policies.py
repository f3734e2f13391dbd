"""Pure: what the roles of a pool may do, and who may take them. No right more than the provider's calls need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from skylift_ecs.permissions import ALL, FREE, Names

Policy = dict[str, Any]


def dispatcher_policy(names: Names, purposes: Sequence[str] = ("runs", "logs", "check")) -> Policy:
    """What pushing, watching and stopping runs takes, from the calls that the provider declares."""
    conditions: dict[str, dict[str, Any]] = {
        # Its resource is a task definition, not the cluster.
        "ecs:RunTask": {"ArnEquals": {"ecs:cluster": names.cluster_arn}},
        "iam:PassRole": {"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}},
    }
    grouped: dict[tuple[tuple[str, ...], str], set[str]] = {}
    for permission in ALL:
        if permission.purpose in purposes and permission.action not in FREE:
            alone = permission.action if permission.action in conditions else ""
            grouped.setdefault((permission.resources(names), alone), set()).add(permission.action)
    return _policy(
        [_allow(sorted(actions), resources, conditions.get(alone)) for (resources, alone), actions in grouped.items()]
    )


def execution_policy(names: Names, secret: str) -> Policy:
    """What ECS itself needs to start a task: pull the image, write its log, read the pool's `secret` (an ARN). Pulling
    takes three actions of ECR and no more (docs.aws.amazon.com/AmazonECR/latest/userguide/ECR_on_ECS.html)."""
    repositories = f"arn:{names.partition}:ecr:{names.region}:{names.account}:repository/*"
    logs = f"arn:{names.partition}:logs:{names.region}:{names.account}:log-group:{names.log_group}:*"
    pull = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
    return _policy(
        [
            _allow(["ecr:GetAuthorizationToken"], ["*"]),
            _allow(pull, [repositories]),
            _allow(["logs:CreateLogStream", "logs:PutLogEvents"], [logs]),
            _allow(["secretsmanager:GetSecretValue"], [secret]),
        ]
    )


def trust_of_tasks(account: str) -> Policy:
    """Only ECS, and only for this account's tasks."""
    service = {"Service": "ecs-tasks.amazonaws.com"}
    return _policy([_trust(service, {"StringEquals": {"aws:SourceAccount": account}})])


def trust_of_dispatcher(principal: str, external_id: str) -> Policy:
    """Whoever Skylift runs as, and only with the word that is kept in the pool's credentials block."""
    return _policy([_trust({"AWS": principal}, {"StringEquals": {"sts:ExternalId": external_id}})])


def lifecycle_policy() -> dict[str, Any]:
    """Images that nothing names any more go after two weeks."""
    selection = {"tagStatus": "untagged", "countType": "sinceImagePushed", "countUnit": "days", "countNumber": 14}
    rule = {"rulePriority": 1, "description": "Untagged images", "selection": selection, "action": {"type": "expire"}}
    return {"rules": [rule]}


def _allow(
    actions: Sequence[str], resources: Sequence[str], condition: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    statement: dict[str, Any] = {"Effect": "Allow", "Action": list(actions), "Resource": list(resources)}
    return statement | ({"Condition": dict(condition)} if condition else {})


def _trust(principal: Mapping[str, str], condition: Mapping[str, Any]) -> dict[str, Any]:
    return {"Effect": "Allow", "Principal": dict(principal), "Action": "sts:AssumeRole", "Condition": dict(condition)}


def _policy(statements: list[dict[str, Any]]) -> Policy:
    return {"Version": "2012-10-17", "Statement": statements}
