"""Least privilege: with the provisioned rights everything works, and each of them is there for something that fails
without it and says which right it lacks. Rights are read from the policies that were made, so that none can be there
which nothing here uses."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from skylift import templates
from skylift.provider import Launch, Observation, ProviderError, Watched
from skylift_ecs import EcsProvider
from skylift_ecs.permissions import Names
from skylift_infra.aws import policies
from tests.clouds.aws import LocalAws
from tests.clouds.aws_backends import ACCOUNT, KEYS, REGION, Ministack
from tests.clouds.aws_rights import TO_TASKS, Right
from tests.infra.aws.account import LocalAccount
from tests.infra.complaints import Complaints
from tests.providers.contract import new_launch, wait_for, watch

STEM = "skylift-nightly-131c8c21"
POLICY = "skylift"
DISPATCHER, EXECUTION = f"{STEM}-dispatcher", f"{STEM}-execution"
IMAGE = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/{STEM}:first"
PATIENCE = 10.0
CONTEXT: dict[str, Any] = {"flow": {"name": ""}, "flow_run": {"name": ""}, "deployment": {}, "work_pool": {"name": ""}}
UNTOLD = {"logs:PutLogEvents": "without output: "}
"""ECS starts a task whose lines may not be sent, and tells nobody: that they are missing is all there is to see."""

NAMES = Names("aws", REGION, ACCOUNT, STEM, f"/skylift/{STEM}", "", ("arn:aws:iam::000000000000:role/any",))
Granted = tuple[int, str]
"""The number of a statement in its policy, and one of its actions."""


def rights_in(policy: Mapping[str, Any]) -> list[Granted]:
    return [(number, each) for number, one in enumerate(policy["Statement"]) for each in one["Action"]]


def without(policy: Mapping[str, Any], right: Granted) -> dict[str, Any]:
    number, action = right
    left = [
        {**one, "Action": [each for each in one["Action"] if (at, each) != (number, action)]}
        for at, one in enumerate(policy["Statement"])
    ]
    return {**policy, "Statement": [one for one in left if one["Action"]]}


OF_DISPATCHER = rights_in(policies.dispatcher_policy(NAMES))
OF_EXECUTION = rights_in(policies.execution_policy(NAMES, "secret"))


class Place:
    """A provisioned pool, and what pushes to it: the role that was made, and nobody else."""

    def __init__(self, account: LocalAccount, cloud: LocalAws) -> None:
        self.account, self.cloud = account, cloud
        self.handover = account.apply()
        account.client("ecr").put_image(repositoryName=STEM, imageTag="first", imageManifest="{}")
        account.client("ssm").put_parameter(Name="/mine", Value="x", Type="String")
        self.policies = {each: self._held(each) for each in (DISPATCHER, EXECUTION)}

    def _held(self, role: str) -> dict[str, Any]:
        iam = self.account.client("iam")
        found: dict[str, Any] = iam.get_role_policy(RoleName=role, PolicyName=POLICY)["PolicyDocument"]
        return found

    @contextmanager
    def lacking(self, role: str, right: Granted | None) -> Iterator[None]:
        if right is None:
            yield
            return
        iam = self.account.client("iam")
        left = without(self.policies[role], right)
        iam.put_role_policy(RoleName=role, PolicyName=POLICY, PolicyDocument=json.dumps(left))
        try:
            yield
        finally:
            whole = json.dumps(self.policies[role])
            iam.put_role_policy(RoleName=role, PolicyName=POLICY, PolicyDocument=whole)

    def configuration(self, *command: str, **variables: Any) -> dict[str, Any]:
        """Of a run in the pool, with what its template says, by whoever the pool's block makes of the caller."""
        signed_in = {**KEYS, **self.handover.block_data, "aws_client_parameters": {"endpoint_url": self.cloud.url}}
        layer = {**self.handover.variables, "image": IMAGE, "stop_timeout": 2, **variables}
        template = EcsProvider().base_job_template()
        rendered = templates.render(
            template, [templates.Layer("pool", layer)], context=CONTEXT, lookup=templates.Fetched()
        )
        own = {"command": list(command), "env": {}, "runner": False, "aws_credentials": signed_in}
        return {**rendered.configuration, **own}


class Tour(Complaints):
    """All that the provider does in its life."""

    def __init__(self, place: Place) -> None:
        super().__init__("skylift_ecs")
        self.place = place
        self.provider = EcsProvider(keep_definitions=timedelta(0), settle=0.5)

    def take(self) -> dict[str, str]:
        """The complaints."""
        logs = self.place.account.client("logs")
        group = self.place.handover.variables["cloudwatch_logs_options"]["awslogs-group"]
        with suppress(logs.exceptions.ResourceNotFoundException):  # what is missing is made again
            logs.delete_log_group(logGroupName=group)
        launch, handle = self._launch("launch", self.place.configuration("echo", "hello"))
        if handle:
            self._to_its_end("launch", launch, handle)
            self.do("logs", lambda: self._logs(watch(launch, handle)))
        self.do("status by attempt", lambda: self.provider.status([watch(launch)]))
        endless, handle = self._launch("launch into a VPC", self.place.configuration("sleep", "600", subnets=None))
        if handle:
            self._wait(endless, handle, "running", "ended")
            self.do("stop", lambda: self.provider.stop(watch(endless, handle), 0))
            if "stop" in self.told:  # by whoever may
                self.place.cloud.tasks.stop(self.place.cloud.tasks.all[handle], "by hand")
            self._to_its_end("launch into a VPC", endless, handle)
        self.do("list_attempts", lambda: self.provider.list_attempts(launch.installation_id, launch.configuration))
        values = self.place.configuration(secrets={"MINE": "/mine"}, subnets=None)
        self.check(self.provider, {name: value for name, value in values.items() if name != "command"})
        return self.told

    def _launch(self, name: str, configuration: dict[str, Any]) -> tuple[Launch, str | None]:
        launch = new_launch(configuration)
        return launch, self.do(name, lambda: self.provider.launch(launch))

    def _wait(self, launch: Launch, handle: str, *phases: str) -> Observation | None:
        def look() -> Observation | None:
            return (self.do("status", lambda: self.provider.status([watch(launch, handle)])) or {}).get(
                launch.attempt_id
            )

        return wait_for(look, lambda seen: seen is None or seen.phase in phases, PATIENCE)

    def _to_its_end(self, name: str, launch: Launch, handle: str) -> None:
        self.observed(name, self._wait(launch, handle, "ended"))
        self.place.cloud.tasks.all[handle].over.wait(PATIENCE)

    def _logs(self, watched: Watched) -> None:
        if self.provider.logs(watched, 5) != ["hello"]:
            self.tell("logs", "without output: ")


@pytest.fixture(scope="module")
def place(aws: Ministack) -> Iterator[Place]:
    with pytest.MonkeyPatch.context() as patch:
        aws.reset()
        for name, value in {**KEYS, "aws_default_region": REGION, "aws_endpoint_url": aws.url}.items():
            patch.setenv(name.upper(), value)
        with LocalAws(aws, enforced=True) as cloud:
            yield Place(LocalAccount(aws), cloud)


def test_they_are_enough(place: Place) -> None:
    assert Tour(place).take() == {}


def missed(place: Place, role: str, right: Granted) -> None:
    """Something that has a name fails, and says which right it lacks."""
    action, tour = right[1], Tour(place)
    with place.lacking(role, right):
        tour.take()
    assert tour.name(UNTOLD.get(action, action), of_rights="Simulate" in action), tour.told


@pytest.mark.long
@pytest.mark.parametrize("right", OF_DISPATCHER, ids=lambda right: f"{right[0]}-{right[1]}")
def test_without_any_one_of_the_dispatchers_something_fails(place: Place, right: Granted) -> None:
    assert rights_in(place.policies[DISPATCHER]) == OF_DISPATCHER, "these are the rights that were made"
    missed(place, DISPATCHER, right)


@pytest.mark.long
@pytest.mark.parametrize("right", OF_EXECUTION, ids=lambda right: f"{right[0]}-{right[1]}")
def test_without_any_one_of_the_execution_roles_something_fails(place: Place, right: Granted) -> None:
    assert rights_in(place.policies[EXECUTION]) == OF_EXECUTION
    missed(place, EXECUTION, right)


def test_conditions_keep_out_what_they_are_there_for(place: Place) -> None:
    """Each statement with one: the same actions, elsewhere, are refused."""
    conditional = [each for each in place.policies[DISPATCHER]["Statement"] if "Condition" in each]
    assert [sorted(each["Action"]) for each in conditional] == [["ecs:RunTask"], ["iam:PassRole"]]
    place.account.client("ecs").create_cluster(clusterName="theirs")
    elsewhere = new_launch(place.configuration("true", cluster="theirs"))
    with pytest.raises(ProviderError, match="ecs:RunTask"):
        EcsProvider().launch(elsewhere)
    to_tasks = Right("iam:PassRole", place.handover.variables["task_role_arn"], TO_TASKS)
    to_lambda = replace(to_tasks, context={"iam:PassedToService": "lambda.amazonaws.com"})
    assert place.cloud.rights
    dispatcher = place.handover.block_data["role_arn"]
    assert place.cloud.rights.missing_for(dispatcher, to_tasks) is None
    assert place.cloud.rights.missing_for(dispatcher, to_lambda) == to_lambda


def test_roles_that_are_not_the_pools_are_not_passed(place: Place) -> None:
    theirs = f"arn:aws:iam::{ACCOUNT}:role/theirs"
    with pytest.raises(ProviderError, match="iam:PassRole"):
        EcsProvider().launch(new_launch(place.configuration("true", task_role_arn=theirs)))


@pytest.mark.parametrize("external_id", ["", "guessed"])
def test_without_the_word_in_the_block_nobody_takes_the_dispatchers_role(place: Place, external_id: str) -> None:
    values = place.configuration("true")
    values["aws_credentials"] = {**values["aws_credentials"], "external_id": external_id}
    with pytest.raises(ProviderError, match="sts:AssumeRole"):
        EcsProvider().launch(new_launch(values))
