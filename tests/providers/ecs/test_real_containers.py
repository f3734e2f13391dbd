"""ECS with real containers: ministack's ECS API over a real container engine, nothing of ours in between but an agent
that gives containers the memory of their task definition.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

from tests.clouds.aws_backends import REGION, Ministack
from tests.clouds.containers import wait_until
from tests.clouds.ecs_agent import EcsAgent
from tests.providers.docker.support import EngineContainers, engine_url
from tests.providers.ecs.support import BUCKET, CLUSTER, ROLE, furnish
from tests.providers.journeys import Ground, Journey, Journeys

pytestmark = pytest.mark.containers
TASK_LABEL = "com.amazonaws.ecs.task-arn"


class MinistackOverEngine(Ministack):
    docker_host = ""

    def environment(self) -> dict[str, str]:
        # Podman begins its answer to who follows a log with the first line, which may take a flow long to say.
        return super().environment() | {"DOCKER_HOST": self.docker_host, "MINISTACK_DOCKER_TIMEOUT": "120"}


def leftovers(backend: Ministack) -> list[str]:
    """Tasks that are to run, and files with secrets. (Ended tasks go by themselves at Amazon's; ministack's stay.)"""
    found = backend.client("s3").list_objects_v2(Bucket=BUCKET).get("Contents", [])
    return [*backend.client("ecs").list_tasks(cluster=CLUSTER)["taskArns"], *(each["Key"] for each in found)]


class TestEcsOverContainers(Journeys):
    @pytest.fixture(scope="class")
    @classmethod
    def backend(cls) -> Iterator[Ministack]:
        backend = MinistackOverEngine()

        def definition(name: str) -> Any:
            return backend.client("ecs").describe_task_definition(taskDefinition=name)["taskDefinition"]

        with EcsAgent(engine_url(), definition) as agent:
            backend.docker_host = agent.docker_host
            with backend:
                furnish(backend)
                yield backend

    @pytest.fixture(scope="class")
    @classmethod
    def ground(cls, backend: Ministack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
        containers = EngineContainers(engine_url(), tmp_path_factory.mktemp("marks"), TASK_LABEL)
        code = str(tmp_path_factory.getbasetemp())

        def on_our_machine(template: dict[str, Any]) -> None:
            """The code is in a folder of the machine, and the API listens on its loopback address."""
            task = template["job_configuration"]["task_definition"]
            task |= {"networkMode": "host", "volumes": [{"name": "code", "host": {"sourcePath": code}}]}
            mount = {"sourceVolume": "code", "containerPath": code, "readOnly": True}
            task["containerDefinitions"][0]["mountPoints"] = [mount]

        yield Ground(
            type="ecs:push",
            variables={
                "aws_credentials": {
                    "aws_access_key_id": "AKIALOCAL",
                    "aws_secret_access_key": "hunter2-hunter2",
                    "region_name": REGION,
                    "aws_client_parameters": {"endpoint_url": backend.url},
                },
                "cluster": CLUSTER,
                "execution_role_arn": ROLE,
                "secrets_bucket": BUCKET,
                "image": os.environ["TEST_IMAGE"],
                "launch_type": "EC2",
                "cpu": 256,
                "memory": 1024,
                "stop_timeout": 5,
            },
            containers=containers,
            leftovers=lambda: leftovers(backend),
            unpullable={"image": f"{os.environ['TEST_REGISTRY']}/open/tool:none"},
            hungry={"memory": 64},
            customise=on_our_machine,
        )
        containers.close()

    def test_what_a_flow_says_is_in_cloudwatch(self, journey: Journey, backend: Ministack) -> None:
        step = {"prefect.deployments.steps.set_working_directory": {"directory": str(journey.folder)}}
        flow = journey.deploy("speaks", entrypoint="flows.py:greet", engine="prefect", pull_steps=[step])
        journey.wait(flow, "Completed")
        assert wait_until(lambda: any("Hello, you 42" in line for line in said(backend)), 30), "\n".join(said(backend))


def said(backend: Ministack) -> list[str]:
    """Everything that is in CloudWatch."""
    logs = backend.client("logs")
    groups = [each["logGroupName"] for each in logs.describe_log_groups()["logGroups"]]
    return [event["message"] for group in groups for event in logs.filter_log_events(logGroupName=group)["events"]]
