"""A local AWS for the tests of `ecs:push`, and what they run there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from skylift_ecs import EcsProvider
from skylift_ecs.permissions import ALL
from tests.clouds.aws import LocalAws
from tests.clouds.aws_backends import REGION, Backend
from tests.providers.cloud_contract import CloudHarness, CloudProgram
from tests.providers.contract import Program
from tests.providers.journeys import Ground

CLUSTER, BUCKET = "runs", "skylift-secrets"
ROLE = "arn:aws:iam::000000000000:role/execution"
PROGRAMS: dict[str, list[str]] = {
    "lines": ["sh", "-c", "echo one; echo two; echo three"],
    "fails": ["sh", "-c", "exit 3"],
    "endless": ["sleep", "600"],
    "stubborn": ["sh", "-c", "trap '' TERM; while :; do sleep 0.1; done"],
    "broken": ["true"],
    "hungry": ["python", "-c", "import time; kept = [bytes(10 ** 6) + b'x' for _ in range(400)]; time.sleep(5)"],
    "unpullable": ["true"],
}


def furnish(backend: Backend) -> None:
    """An account as a provisioner leaves it: a cluster, a role, a bucket; the default VPC comes with every account."""
    backend.reset()
    backend.client("ecs").create_cluster(clusterName=CLUSTER)
    trust = {"Statement": [{"Effect": "Allow", "Principal": {"Service": "ecs-tasks.amazonaws.com"}, "Action": "*"}]}
    backend.client("iam").create_role(
        RoleName="execution", AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", **trust})
    )
    backend.client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})


def rendered(cloud: LocalAws, command: list[str], env: Mapping[str, str], **more: Any) -> dict[str, Any]:
    """What the core hands over for a bare command."""
    definition = {"cpu": 256, "memory": 512, "executionRoleArn": ROLE, **more.pop("task_definition", {})}
    return {
        "command": command,
        "env": dict(env),
        "runner": False,
        "labels": {"prefect.io/flow-run-name": "brave-otter"},
        "aws_credentials": cloud.credentials,
        "secrets_bucket": BUCKET,
        "stop_timeout": 2,
        "subnets": ["subnet-00000001"],
        "task_definition": {"containerDefinitions": [{"image": "python:3.12"}], **definition},
        "task_run_request": {"launchType": "FARGATE", "cluster": CLUSTER},
        **more,
    }


def ground(cloud: LocalAws) -> Ground:
    """For journeys."""
    return Ground(
        type="ecs:push",
        variables={
            "aws_credentials": cloud.credentials,
            "cluster": CLUSTER,
            "execution_role_arn": ROLE,
            "secrets_bucket": BUCKET,
            "cpu": 256,
            "stop_timeout": 5,
        },
        containers=cloud.containers,
        leftovers=cloud.left,
        unpullable={"image": "missing:1"},
        hungry={"memory": 512},
    )


class EcsHarness(CloudHarness):
    launch_operations = ("CreateLogGroup", "RegisterTaskDefinition", "RunTask")
    forgets = False

    def __init__(self, cloud: LocalAws) -> None:
        self.cloud = cloud
        self.mischief, self.journal, self.containers = cloud.mischief, cloud.journal, cloud.containers

    def provider(self) -> EcsProvider:
        return EcsProvider(settle=0.5)

    def configuration(self, program: Program, env: Mapping[str, str]) -> dict[str, Any]:
        size = {"memory": 300} if program == "broken" else {}
        return rendered(self.cloud, PROGRAMS[program], env, task_definition=size)

    def cloud_configuration(self, program: CloudProgram) -> dict[str, Any]:
        container: dict[str, Any] = {"image": "missing:1" if program == "unpullable" else "python:3.12"}
        if program == "hungry":
            container["memory"] = 64
        definition = {"containerDefinitions": [container]}
        return rendered(self.cloud, PROGRAMS[program], {}, task_definition=definition)

    def leftovers(self) -> list[str]:
        return self.cloud.left()


ALLOWED = frozenset(each.action for each in ALL)
