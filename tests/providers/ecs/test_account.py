"""Whose account it is: credentials, permissions, quota, and what `work-pool check` says."""

from __future__ import annotations

import inspect
import time
from typing import Any

import pytest

from skylift.provider import Finding, Unreachable
from skylift_ecs import EcsProvider
from skylift_ecs.client import Clients, EcsClient
from skylift_ecs.credentials import Credentials
from skylift_ecs.permissions import ALL, FREE, needed
from skylift_ecs.probe import Probe
from tests.clouds.aws import LocalAws
from tests.providers.contract import new_launch, watch
from tests.providers.ecs.support import BUCKET, CLUSTER, rendered

ROLE = "arn:aws:iam::000000000000:role/skylift-dispatcher"


class TestCredentials:
    def test_a_role_is_assumed_once_and_kept(self, cloud: LocalAws) -> None:
        given = {**cloud.credentials, "role_arn": ROLE, "external_id": "only-we-know"}
        provider = EcsProvider()
        cloud.allowed = frozenset([*(cloud.allowed or ()), "sts:AssumeRole"])
        for _ in range(3):
            provider.launch(new_launch(rendered(cloud, ["true"], {}, aws_credentials=given)))
        (assumed,) = cloud.journal.calls("AssumeRole")
        assert assumed.body["RoleArn"] == ROLE
        assert assumed.body["ExternalId"] == "only-we-know"
        assert assumed.body["RoleSessionName"] == "skylift"

    @pytest.mark.parametrize("name", ["role_arn", "assume_role_arn"])
    def test_prefects_names_do_as_well(self, name: str) -> None:
        found = Credentials.model_validate(
            {name: ROLE, "assume_role_kwargs": {"RoleSessionName": "mine", "ExternalId": "x"}, "unknown": 1}
        )
        assert found.role == ROLE
        assert found.assuming == {"RoleSessionName": "mine", "ExternalId": "x"}

    def test_credentials_of_the_process_are_the_default(self, cloud: LocalAws, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
        monkeypatch.setenv("AWS_ENDPOINT_URL", cloud.url)
        launch = new_launch(rendered(cloud, ["true"], {}, aws_credentials=None))
        assert EcsProvider().launch(launch).startswith("arn:aws:ecs:eu-central-1:")

    def test_without_any_it_says_so(self, monkeypatch: pytest.MonkeyPatch, cloud: LocalAws) -> None:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
        monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
        given = {"region_name": "eu-central-1", "aws_client_parameters": {"endpoint_url": cloud.url}}
        launch = new_launch(rendered(cloud, ["true"], {}, aws_credentials=given))
        with pytest.raises(Unreachable, match="no AWS credentials") as caught:
            EcsProvider().launch(launch)
        assert "aws_credentials" in (caught.value.remedy or "")

    def test_a_profile_that_is_not_there(self, cloud: LocalAws) -> None:
        launch = new_launch(rendered(cloud, ["true"], {}, aws_credentials={"profile_name": "nobody"}))
        with pytest.raises(Unreachable, match="profile"):
            EcsProvider().launch(launch)

    def test_the_same_credentials_have_the_same_clients(self, cloud: LocalAws) -> None:
        clients, given = Clients(), Credentials.model_validate(cloud.credentials)
        assert clients.of(given) is clients.of(given.model_copy())
        assert clients.of(given) is not clients.of(given.model_copy(update={"region_name": "us-east-1"}))
        assert "test" not in given.key()


class TestPermissions:
    def test_every_call_of_the_facades_is_declared(self) -> None:
        calls = [
            member
            for owner in (EcsClient, Probe)
            for name, member in inspect.getmembers(owner, inspect.isfunction)
            if not name.startswith("_")
        ]
        assert all(hasattr(each, "needs") for each in calls), [each for each in calls if not hasattr(each, "needs")]
        assert needed(calls) - FREE == {each.action for each in ALL}, "and nothing is declared that nothing calls"

    @pytest.mark.parametrize("action", ["ecs:RunTask", "ecs:TagResource", "iam:PassRole", "ecs:RegisterTaskDefinition"])
    def test_one_that_is_missing_is_named(self, cloud: LocalAws, action: str) -> None:
        cloud.allowed = frozenset(cloud.allowed or ()) - {action}
        with pytest.raises(Exception, match="may not do this") as caught:
            EcsProvider().launch(new_launch(rendered(cloud, ["true"], {})))
        assert "permission" in getattr(caught.value, "remedy", "")

    def test_a_policy_without_secrets_and_checks_is_enough_for_runs(self, cloud: LocalAws) -> None:
        cloud.allowed = frozenset(each.action for each in ALL if each.purpose in ("runs", "logs"))
        provider = EcsProvider()
        launch = new_launch(rendered(cloud, ["sleep", "600"], {}, secrets_bucket=None))
        handle = provider.launch(launch)
        assert provider.status([watch(launch, handle)])
        provider.stop(watch(launch, handle), 0)
        provider.logs(watch(launch, handle), 1)
        provider.list_attempts(launch.installation_id, launch.configuration)
        assert cloud.journal.count("RunTask", "ok") == 1
        called = {each.operation for each in cloud.journal.calls()}
        assert sum(cloud.journal.count(each, "AccessDeniedException") for each in called) == 0


class TestQuota:
    def test_pools_of_one_account_and_region_share_a_bucket(self, cloud: LocalAws) -> None:
        provider = EcsProvider()
        one = provider.quota(rendered(cloud, ["true"], {}))
        two = provider.quota(rendered(cloud, ["true"], {}, cluster="other"))
        assert one is not None
        assert one == two
        assert one.key == "ecs/000000000000/eu-central-1/fargate"
        assert len(cloud.journal.calls("GetCallerIdentity")) == 1

    def test_machines_of_ones_own_have_another(self, cloud: LocalAws) -> None:
        found = EcsProvider().quota(rendered(cloud, ["true"], {}, task_run_request={"launchType": "EC2"}))
        assert found is not None
        assert found.key == "ecs/000000000000/eu-central-1/ec2"

    def test_an_account_that_cannot_be_asked_about_is_no_reason_to_wait(self, cloud: LocalAws) -> None:
        cloud.mischief.order("GetCallerIdentity", "break", times=50)
        provider = EcsProvider()
        begun = time.monotonic()
        for _ in range(3):
            found = provider.quota(rendered(cloud, ["true"], {}))
        assert found is not None
        assert found.key is not None
        assert time.monotonic() - begun < 5
        assert len(cloud.journal.calls("GetCallerIdentity")) == 1

    def test_a_pool_that_cannot_be_rendered_has_one_too(self) -> None:
        assert EcsProvider().quota({"aws_credentials": {"profile_name": "nobody"}}) is not None


class TestCheck:
    def found(self, cloud: LocalAws, **more: Any) -> dict[str, Finding]:
        more = {"subnets": None, **more}
        values = {name: value for name, value in rendered(cloud, ["-"], {}, **more).items() if name != "command"}
        return {each.what: each for each in EcsProvider().check(values)}

    def test_a_pool_that_is_well(self, cloud: LocalAws) -> None:
        found = self.found(cloud)
        assert not [each for each in found.values() if each.verdict == "failed"]
        wanted = {"Identity", "Permissions", "Cluster", "Task definition", "Network", "Execution role", "Quota"}
        assert wanted <= set(found)
        assert "000000000000" in found["Identity"].message
        assert "3 subnets" in found["Network"].message

    @pytest.mark.parametrize(
        ("what", "more"),
        [
            ("Cluster", {"cluster": "nowhere"}),
            ("Task definition", {"task_definition": {"memory": 300}}),
            ("Task definition", {"task_run_request": {"taskDefinition": "nowhere"}}),
            ("Execution role", {"task_definition": {"executionRoleArn": "arn:aws:iam::000000000000:role/nobody"}}),
            ("Secrets", {"pool_secret": "arn:aws:secretsmanager:eu-central-1:000000000000:secret:nowhere-AbCdEf"}),
            ("Secrets", {"secrets": {"A": "/no/such/parameter"}}),
            (
                "Image",
                {
                    "task_definition": {
                        "containerDefinitions": [{"image": "000000000000.dkr.ecr.eu-central-1.amazonaws.com/gone:1"}]
                    }
                },
            ),
            ("Network", {"vpc_id": "vpc-nowhere"}),
            ("Configuration", {"nonsense": 1}),
        ],
    )
    def test_what_would_fail_is_found_with_a_remedy(self, cloud: LocalAws, what: str, more: dict[str, Any]) -> None:
        found = self.found(cloud, **more)
        assert found[what].verdict == "failed", found
        assert found[what].remedy

    def test_what_may_not_be_read_is_unknown(self, cloud: LocalAws) -> None:
        cloud.allowed = frozenset(each.action for each in ALL if each.purpose != "check")
        found = self.found(cloud)
        assert not [each for each in found.values() if each.verdict == "failed"]
        assert found["Cluster"].verdict == "unknown"
        assert found["Network"].verdict == "ok"

    def test_a_cloud_that_does_not_answer_raises_nothing(self, cloud: LocalAws) -> None:
        cloud.mischief.order("*", "break", times=500)
        assert self.found(cloud)["Identity"].verdict == "failed"

    def test_it_only_reads(self, cloud: LocalAws) -> None:
        self.found(cloud, secrets_bucket=BUCKET, cluster=CLUSTER)
        reading = ("Describe", "Get", "List", "Simulate")
        assert all(each.operation.startswith(reading) for each in cloud.journal.calls())
