"""The typed façade for `work-pool check`: calls that only read, none of which a run depends on."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from skylift_ecs.client import EcsClient
from skylift_ecs.errors import to_error
from skylift_ecs.permissions import Names, Permission, needs

VCPUS = {"FARGATE": "L-3032A538", "FARGATE_SPOT": "L-36FBB829"}
"""Codes of Fargate's vCPU quotas."""
ECR = re.compile(
    r"(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[\w-]+)\.amazonaws\.com(\.cn)?/(?P<name>[^:@]+)"
    r"(:(?P<tag>[^@]+))?(@(?P<digest>.+))?"
)


class Probe:
    """Raises the port's errors. What is not there is an answer."""

    def __init__(self, client: EcsClient) -> None:
        self._session = client.session

    def _ask(self, service: str, operation: str, **arguments: Any) -> Any:
        method = re.sub(r"(?<!^)([A-Z])", r"_\1", operation).lower()
        try:
            return getattr(self._session.client(service, again=True), method)(**arguments)
        except Exception as error:
            raise to_error(operation, error) from error

    def _is_there(self, absent: Sequence[str], service: str, operation: str, **arguments: Any) -> bool:
        """`absent`: the codes that say that it is not there."""
        try:
            self._ask(service, operation, **arguments)
        except Exception as error:
            cause = error.__cause__
            told: Mapping[str, Any] = getattr(cause, "response", None) or {}
            if (told.get("Error") or {}).get("Code") in absent:
                return False
            raise
        return True

    @needs("ecs:DescribeClusters")
    def cluster(self, name: str) -> Mapping[str, Any] | None:
        found = self._ask("ecs", "DescribeClusters", clusters=[name])["clusters"]
        return found[0] if found and found[0].get("status") == "ACTIVE" else None

    @needs("iam:SimulatePrincipalPolicy")
    def denied(self, names: Names, permissions: Iterable[Permission]) -> set[str]:
        """Those of these actions that the dispatcher's policies do not allow on what they are needed for."""
        context = {"ecs:cluster": names.cluster_arn, "iam:PassedToService": "ecs-tasks.amazonaws.com"}
        entries = [
            {"ContextKeyName": key, "ContextKeyValues": [value], "ContextKeyType": "string"}
            for key, value in context.items()
        ]
        grouped: dict[tuple[str, ...], list[str]] = {}
        for each in permissions:
            grouped.setdefault(each.resources(names), []).append(each.action)
        found: set[str] = set()
        for resources, actions in grouped.items():
            # Any one of them stands for all: what a pattern leaves open is filled with something.
            on = [each if each == "*" else each.replace("*", "any") for each in resources]
            results = self._ask(
                "iam",
                "SimulatePrincipalPolicy",
                PolicySourceArn=names.dispatcher,
                ActionNames=sorted(actions),
                ResourceArns=on,
                ContextEntries=entries,
            )["EvaluationResults"]
            found |= {each["EvalActionName"] for each in results if each["EvalDecision"] != "allowed"}
        return found

    @needs("iam:GetRole")
    def has_role(self, arn: str) -> bool:
        return self._is_there(["NoSuchEntity"], "iam", "GetRole", RoleName=arn.rpartition("/")[2])

    @needs("logs:DescribeLogGroups")
    def has_log_group(self, name: str) -> bool:
        found = self._ask("logs", "DescribeLogGroups", logGroupNamePrefix=name, limit=50)["logGroups"]
        return any(each["logGroupName"] == name for each in found)

    @needs("secretsmanager:DescribeSecret", "ssm:DescribeParameters")
    def has_secret(self, reference: str) -> bool:
        """In Secrets Manager, or as a parameter."""
        if ":secretsmanager:" in reference:
            arn = ":".join(reference.split(":")[:7])  # a key, a stage and a version may follow
            return self._is_there(["ResourceNotFoundException"], "secretsmanager", "DescribeSecret", SecretId=arn)
        name = reference.partition(":parameter")[2] or reference
        wanted = [{"Key": "Name", "Option": "Equals", "Values": [name]}]
        return bool(self._ask("ssm", "DescribeParameters", ParameterFilters=wanted)["Parameters"])

    @needs("ecr:DescribeImages")
    def has_image(self, image: str) -> bool | None:
        """None: it is not in ECR, and other registries are not asked."""
        found = ECR.fullmatch(image)
        if not found:
            return None
        wanted = {"imageDigest": found["digest"]} if found["digest"] else {"imageTag": found["tag"] or "latest"}
        return self._is_there(
            ["RepositoryNotFoundException", "ImageNotFoundException"],
            "ecr",
            "DescribeImages",
            registryId=found["account"],
            repositoryName=found["name"],
            imageIds=[wanted],
        )

    @needs("servicequotas:GetServiceQuota")
    def vcpus(self, launch_type: str) -> float:
        """How many the account may run at once on Fargate."""
        answer = self._ask("service-quotas", "GetServiceQuota", ServiceCode="fargate", QuotaCode=VCPUS[launch_type])
        return float(answer["Quota"]["Value"])
