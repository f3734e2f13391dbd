"""What is particular to launching on ECS: tokens, definitions, networks, and what others do meanwhile."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from skylift.provider import BusyError, Launch, Observation, OutOfCapacity, Rejected, Throttled, TooLate
from skylift_ecs import EcsProvider
from skylift_ecs.request import INSTALLATION
from tests.clouds.aws import LocalAws
from tests.providers.contract import new_launch, wait_for, watch
from tests.providers.ecs.support import CLUSTER, ROLE, EcsHarness, rendered


@pytest.fixture
def harness(cloud: LocalAws) -> EcsHarness:
    return EcsHarness(cloud)


@pytest.fixture
def provider(harness: EcsHarness) -> EcsProvider:
    return harness.provider()


def a_launch(cloud: LocalAws, *command: str, env: dict[str, str] | None = None, **more: Any) -> Launch:
    return new_launch(rendered(cloud, list(command) or ["true"], env or {}, **more))


def ended(provider: EcsProvider, launch: Launch, handle: str | None = None) -> Observation:
    def look() -> Observation:
        return provider.status([watch(launch, handle)]).get(launch.attempt_id, Observation("starting"))

    return wait_for(look, lambda seen: seen.phase in ("ended", "gone"), 15)


def sent(cloud: LocalAws, operation: str) -> list[dict[str, Any]]:
    return [each.body for each in cloud.journal.calls(operation)]


class TestTokens:
    def test_another_request_with_the_same_token_adopts_the_task(self, cloud: LocalAws, provider: EcsProvider) -> None:
        """As when a definition was registered twice, or the default subnets have changed."""
        launch = a_launch(cloud, "sleep", "600")
        handle = provider.launch(launch)
        changed = replace(launch, configuration={**launch.configuration, "labels": {"other": "label"}})
        assert provider.launch(changed) == handle
        assert cloud.journal.count("RunTask", "ConflictException") == 1
        assert len(cloud.tasks.all) == 1

    def test_an_attempt_that_is_too_old_is_put_off_for_another(self, cloud: LocalAws, provider: EcsProvider) -> None:
        launch = replace(a_launch(cloud), claimed_at=datetime.now(UTC) - timedelta(minutes=31))
        with pytest.raises(BusyError):
            provider.launch(launch)
        assert not cloud.journal.calls()

    def test_the_last_word_is_asked_when_all_else_is_done(self, cloud: LocalAws, provider: EcsProvider) -> None:
        cloud.mischief.order("RegisterTaskDefinition", "delay", seconds=0.6)
        launch = replace(a_launch(cloud), send_before=time.monotonic() + 0.4)
        with pytest.raises(TooLate):
            provider.launch(launch)
        assert cloud.journal.calls("RegisterTaskDefinition")
        assert not cloud.journal.calls("RunTask")

    def test_an_unknown_refusal_is_tried_once_more_and_shown_raw(
        self, cloud: LocalAws, provider: EcsProvider, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from tests.clouds.aws_wire import error

        monkeypatch.setattr(cloud, "run_task", lambda _: error("ecs", "BrandNewException", "wrong phase of the moon"))
        with pytest.raises(Rejected, match="BrandNewException: wrong phase of the moon"):
            provider.launch(a_launch(cloud))
        assert len(cloud.journal.calls("RunTask")) == 2


class TestDefinitions:
    def test_many_runs_at_once_register_one(self, cloud: LocalAws) -> None:
        providers = [EcsProvider() for _ in range(2)]
        launches = [a_launch(cloud, "true", env={"NUMBER": str(number)}, subnets=None) for number in range(24)]
        shared = uuid4()
        launches = [replace(each, installation_id=shared) for each in launches]
        with ThreadPoolExecutor(12) as pool:
            list(pool.map(lambda pair: providers[pair[0] % 2].launch(pair[1]), enumerate(launches)))
        assert 1 <= len(cloud.journal.calls("RegisterTaskDefinition")) <= len(providers)
        assert len(cloud.journal.calls("DescribeSubnets")) == len(providers)
        arns = {each["taskDefinition"] for each in sent(cloud, "RunTask")}
        assert len(arns) <= len(providers)
        assert wait_for(lambda: len(cloud.containers.all), lambda count: count == 24, 15) == 24

    def test_trouble_is_told_to_all_who_wait_and_forgotten(self, cloud: LocalAws, provider: EcsProvider) -> None:
        cloud.mischief.order("DescribeTaskDefinition", "delay", seconds=0.5)
        cloud.mischief.order("RegisterTaskDefinition", "throttle", times=50)
        installation = uuid4()
        launches = [replace(a_launch(cloud), installation_id=installation) for _ in range(6)]

        def refused(launch: Launch) -> bool:
            with pytest.raises(Throttled):
                provider.launch(launch)
            return True

        with ThreadPoolExecutor(6) as pool:
            assert all(pool.map(refused, launches))
        assert len(cloud.journal.calls("RegisterTaskDefinition")) == 1
        cloud.mischief.behave()
        assert provider.launch(launches[0])

    def test_one_that_was_deregistered_meanwhile_is_registered_again(
        self, cloud: LocalAws, provider: EcsProvider
    ) -> None:
        first = a_launch(cloud)
        provider.launch(first)
        (arn,) = {each["taskDefinition"] for each in sent(cloud, "RunTask")}
        cloud.backend.client("ecs").deregister_task_definition(taskDefinition=arn)
        cloud.forget_definitions()
        second = replace(a_launch(cloud), installation_id=first.installation_id)
        handle = provider.launch(second)
        assert ended(provider, second, handle).exit_code == 0
        assert len(cloud.journal.calls("RegisterTaskDefinition")) == 2

    def test_several_take_turns_in_a_family_of_the_users(self, cloud: LocalAws, harness: EcsHarness) -> None:
        installation = uuid4()
        for size in (512, 1024, 512, 1024):
            definition = {"family": "nightly", "memory": size}
            launch = replace(a_launch(cloud, task_definition=definition), installation_id=installation)
            harness.provider().launch(launch)
        assert len(cloud.journal.calls("RegisterTaskDefinition")) == 2
        assert {each["family"] for each in sent(cloud, "RegisterTaskDefinition")} == {"nightly"}

    def test_old_ones_are_collected_and_those_in_use_and_others_are_not(self, cloud: LocalAws) -> None:
        provider = EcsProvider(keep_definitions=timedelta(seconds=-60))
        unused, used = a_launch(cloud), a_launch(cloud, "sleep", "600", secrets_bucket=None, stop_timeout=3)
        used = replace(used, installation_id=unused.installation_id)
        foreign = a_launch(cloud)
        for each in (unused, used, foreign):
            provider.launch(each)
        assert ended(provider, unused).exit_code == 0
        provider.list_attempts(unused.installation_id, unused.configuration)
        gone = {each["taskDefinition"] for each in sent(cloud, "DeregisterTaskDefinition")}
        used_by = {each["clientToken"]: each["taskDefinition"] for each in sent(cloud, "RunTask")}
        assert gone == {used_by[str(unused.attempt_id)]}
        provider.list_attempts(unused.installation_id, unused.configuration)
        assert len(cloud.journal.calls("DeregisterTaskDefinition")) == 1, "once an hour is enough"

    def test_one_of_the_users_own(self, cloud: LocalAws, provider: EcsProvider) -> None:
        ecs = cloud.backend.client("ecs")
        made = ecs.register_task_definition(
            family="own",
            requiresCompatibilities=["FARGATE"],
            networkMode="awsvpc",
            cpu="256",
            memory="512",
            containerDefinitions=[{"name": "prefect", "image": "python"}],
        )["taskDefinition"]["taskDefinitionArn"]
        request = {"launchType": "FARGATE", "cluster": CLUSTER, "taskDefinition": made}
        launch = a_launch(cloud, "sh", "-c", "exit 4", task_run_request=request)
        handle = provider.launch(launch)
        assert ended(provider, launch, handle).exit_code == 4
        assert not cloud.journal.calls("RegisterTaskDefinition")
        missing = a_launch(cloud, task_run_request={**request, "taskDefinition": "nowhere"})
        with pytest.raises(Rejected) as caught:
            provider.launch(missing)
        assert "task_definition_arn" in (caught.value.remedy or "")


class TestSecrets:
    def test_references_reach_the_container_and_nothing_else(self, cloud: LocalAws, provider: EcsProvider) -> None:
        secrets, ssm = cloud.backend.client("secretsmanager"), cloud.backend.client("ssm")
        pool = secrets.create_secret(Name="pool", SecretString="the-pools-secret")["ARN"]
        ssm.put_parameter(Name="/db/password", Value="the-databases", Type="SecureString")
        parameter = "arn:aws:ssm:eu-central-1:000000000000:parameter/db/password"
        launch = a_launch(cloud, pool_secret=pool, secrets={"DB_PASSWORD": parameter})
        provider.launch(launch)
        assert ended(provider, launch).exit_code == 0
        (container,) = cloud.containers.all.values()
        assert container.env["SKYLIFT_POOL_SECRET"] == "the-pools-secret"
        assert container.env["DB_PASSWORD"] == "the-databases"
        assert "the-pools-secret" not in cloud.journal.shown()
        assert "the-databases" not in cloud.journal.shown()

    def test_a_secret_that_is_not_there_is_a_fault_of_the_set_up(self, cloud: LocalAws, provider: EcsProvider) -> None:
        nowhere = "arn:aws:secretsmanager:eu-central-1:000000000000:secret:nowhere-AbCdEf"
        launch = a_launch(cloud, pool_secret=nowhere)
        provider.launch(launch)
        seen = ended(provider, launch)
        assert (seen.fault, seen.exit_code) == ("setup", None)
        assert "execution_role_arn" in (seen.remedy or "")

    def test_without_a_bucket_a_bare_commands_secrets_have_no_way(self, cloud: LocalAws, provider: EcsProvider) -> None:
        launch = a_launch(cloud, env={"TOKEN": "hunter2-hunter2"}, secrets_bucket=None)
        with pytest.raises(Rejected, match="TOKEN") as caught:
            provider.launch(replace(launch, secrets=frozenset(["hunter2-hunter2"])))
        assert "secrets_bucket" in (caught.value.remedy or "")

    def test_a_value_of_several_lines_does_not_fit(self, cloud: LocalAws, provider: EcsProvider) -> None:
        launch = a_launch(cloud, env={"KEY": "line one\nline two"})
        with pytest.raises(Rejected, match="more than one line"):
            provider.launch(replace(launch, secrets=frozenset(["line one\nline two"])))

    def test_a_file_whose_task_never_came_to_be_is_found_and_removed(
        self, cloud: LocalAws, provider: EcsProvider, harness: EcsHarness
    ) -> None:
        launch = replace(a_launch(cloud, env={"TOKEN": "hunter2-hunter2"}), secrets=frozenset(["hunter2-hunter2"]))
        cloud.mischief.order("RunTask", "throttle")
        with pytest.raises(Throttled):
            provider.launch(launch)
        assert len(harness.leftovers()) == 1
        (found,) = provider.list_attempts(launch.installation_id, launch.configuration)
        assert (found.attempt_id, found.handle) == (launch.attempt_id, None)
        assert provider.status([found])[found.attempt_id].phase == "gone"
        assert provider.list_attempts(UUID(int=5), launch.configuration) == []
        provider.cleanup(found)
        assert harness.leftovers() == []

    def test_a_lost_answer_to_the_file_is_healed(self, cloud: LocalAws, provider: EcsProvider) -> None:
        cloud.mischief.order("PutObject", "lose_answer")
        launch = replace(a_launch(cloud, env={"TOKEN": "hunter2-hunter2"}), secrets=frozenset(["hunter2-hunter2"]))
        with pytest.raises(Exception, match="did not answer"):
            provider.launch(launch)
        handle = provider.launch(launch)
        assert ended(provider, launch, handle).exit_code == 0
        assert len(cloud.containers.all) == 1


class TestPlaces:
    def test_spot_that_is_taken_back_is_a_loss_and_no_exit_code(self, cloud: LocalAws, provider: EcsProvider) -> None:
        request = {"launchType": "FARGATE_SPOT", "cluster": CLUSTER}
        launch = a_launch(cloud, "sleep", "600", task_run_request=request)
        handle = provider.launch(launch)
        assert wait_for(lambda: cloud.containers.alive(), bool, 10)
        cloud.tasks.take_back(cloud.tasks.all[handle])
        seen = ended(provider, launch, handle)
        assert (seen.exit_code, seen.fault) == (None, None)
        assert "interrupted" in (seen.reason or "")

    def test_a_task_that_waits_for_capacity_is_starting_and_can_be_stopped(
        self, cloud: LocalAws, provider: EcsProvider
    ) -> None:
        cloud.tasks.hold_in_provisioning = True
        launch = a_launch(cloud)
        handle = provider.launch(launch)
        assert provider.status([watch(launch, handle)])[launch.attempt_id].phase == "starting"
        provider.stop(watch(launch, handle), 0)
        seen = ended(provider, launch, handle)
        assert (seen.phase, seen.exit_code, seen.fault) == ("ended", None, None)
        assert not cloud.containers.all

    def test_a_command_that_the_image_lacks(self, cloud: LocalAws, provider: EcsProvider) -> None:
        launch = a_launch(cloud, "no-such-program")
        handle = provider.launch(launch)
        seen = ended(provider, launch, handle)
        assert (seen.fault, seen.exit_code) == ("setup", None)
        assert "no-such-program" in (seen.reason or "")

    def test_machines_of_ones_own_take_no_network(self, cloud: LocalAws, provider: EcsProvider) -> None:
        launch = a_launch(cloud, task_run_request={"launchType": "EC2", "cluster": CLUSTER})
        handle = provider.launch(launch)
        assert ended(provider, launch, handle).exit_code == 0
        assert not cloud.journal.calls("DescribeSubnets")

    def test_a_cluster_that_is_not_there(self, cloud: LocalAws, provider: EcsProvider) -> None:
        nowhere = {"launchType": "FARGATE", "cluster": "nowhere"}
        launch = a_launch(cloud, task_run_request=nowhere)
        with pytest.raises(Rejected) as caught:
            provider.launch(launch)
        assert "cluster" in (caught.value.remedy or "")
        assert provider.status([watch(launch)])[launch.attempt_id].phase == "gone"
        provider.stop(watch(launch), 0)

    def test_no_room_beside_an_answer(
        self, cloud: LocalAws, provider: EcsProvider, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from tests.clouds.aws_wire import ok

        answer = ok({"tasks": [], "failures": [{"arn": "arn:x", "reason": "RESOURCE:MEMORY"}]})
        monkeypatch.setattr(cloud, "run_task", lambda _: answer)
        with pytest.raises(OutOfCapacity, match="RESOURCE:MEMORY") as caught:
            provider.launch(a_launch(cloud))
        assert caught.value.retry_after

    def test_a_log_group_that_may_not_be_created_is_somebody_elses(
        self, cloud: LocalAws, provider: EcsProvider
    ) -> None:
        cloud.allowed = frozenset(cloud.allowed or ()) - {"logs:CreateLogGroup"}
        cloud.backend.client("logs").create_log_group(logGroupName="skylift")
        launch = a_launch(cloud, "echo", "hello")
        provider.launch(launch)
        assert ended(provider, launch).exit_code == 0
        assert provider.logs(watch(launch), 5) == ["hello"]

    def test_a_log_group_that_nobody_made_is_a_fault_of_the_set_up(
        self, cloud: LocalAws, provider: EcsProvider
    ) -> None:
        cloud.allowed = frozenset(cloud.allowed or ()) - {"logs:CreateLogGroup"}
        launch = a_launch(cloud)
        provider.launch(launch)
        seen = ended(provider, launch)
        assert seen.fault == "setup"
        assert "log group" in (seen.remedy or "")


class TestMarks:
    def test_strays_are_known_by_their_tags_and_others_tasks_are_left_alone(
        self, cloud: LocalAws, provider: EcsProvider
    ) -> None:
        launch = a_launch(cloud, "sleep", "600")
        handle = provider.launch(launch)
        shown = cloud.tasks.all[handle].about
        assert {"key": INSTALLATION, "value": str(launch.installation_id)} in shown["tags"]
        cloud.run_task(
            {
                "cluster": CLUSTER,
                "taskDefinition": shown["taskDefinitionArn"],
                "launchType": "FARGATE",
                "startedBy": "somebody-else",
                "networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-1"]}},
            }
        )
        found = provider.list_attempts(launch.installation_id, launch.configuration)
        assert [each.handle for each in found] == [handle]
        assert provider.list_attempts(uuid4(), launch.configuration) == []

    def test_roles_are_as_the_pool_says(self, cloud: LocalAws, provider: EcsProvider) -> None:
        provider.launch(a_launch(cloud))
        (registered,) = sent(cloud, "RegisterTaskDefinition")
        assert registered["executionRoleArn"] == ROLE
