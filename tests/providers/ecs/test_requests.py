"""Pure: from a rendered job configuration to what RegisterTaskDefinition and RunTask get."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skylift import templates
from skylift.provider import Launch, Rejected
from skylift_ecs import PROVIDER, definition, request
from tests.clouds import ecs_rules
from tests.clouds.aws_wire import Malformed, validate

REGION, OWNER = "eu-central-1", "0b5a6a3c-0000-4000-8000-000000000001"
ROLE = "arn:aws:iam::123456789012:role/execution"
SECRET_ARN = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:pool-AbCdEf"


NOTHING = templates.Fetched(blocks={}, documents={}, variables={}, environment={}, allowed_environment=frozenset())


def configuration(**values: Any) -> request.Configuration:
    definition = {"executionRoleArn": ROLE, **values.pop("task_definition", {})}
    return request.read_configuration({"command": ["true"], "task_definition": definition, **values})


def built(**values: Any) -> dict[str, Any]:
    return dict(definition.build(configuration(**values), REGION, OWNER).request)


def main(**values: Any) -> dict[str, Any]:
    found: dict[str, Any] = built(**values)["containerDefinitions"][0]
    return found


def a_launch(attempt: UUID | None = None) -> Launch:
    return Launch(attempt or uuid4(), UUID(int=2), UUID(OWNER), datetime(2026, 3, 1, tzinfo=UTC), {})


def asked(made: request.Configuration, env: dict[str, str] | None = None, **more: Any) -> dict[str, Any]:
    launch = more.pop("launch", None) or a_launch(UUID(int=7))
    return request.run_task(made, launch, "arn:definition:1", "run", env or {}, more.pop("network", None), **more)


def rendered(**variables: Any) -> dict[str, Any]:
    """The default base job template with these job variables, as the core hands it over."""
    layer = templates.Layer("run", variables)
    found = dict(templates.render(PROVIDER.base_job_template(), [layer], context={}, lookup=NOTHING).configuration)
    return {**found, "command": ["true"], "env": {}}


class TestTemplate:
    def test_its_defaults_make_a_request_that_ecs_takes(self) -> None:
        made = request.read_configuration(rendered())
        found = definition.build(made, REGION, OWNER)
        validate("ecs", "RegisterTaskDefinition", found.request)
        ecs_rules.check_definition(found.request)
        sent = asked(made, network=made.network(["subnet-1"]))
        validate("ecs", "RunTask", sent)
        assert sent["launchType"] == "FARGATE"
        assert found.request["containerDefinitions"][0]["image"] == definition.IMAGE
        assert (found.request["cpu"], found.request["memory"]) == ("1024", "2048")

    def test_every_variable_has_a_title_and_a_description_and_is_used(self) -> None:
        template = PROVIDER.base_job_template()
        text = json.dumps(template["job_configuration"])
        for name, schema in template["variables"]["properties"].items():
            assert schema["title"], name
            assert name == "capacity_fallbacks" or "{{ " + name + " }}" in text, name
            assert "description" in schema, name

    def test_every_variable_reaches_the_request(self) -> None:
        made = request.read_configuration(
            rendered(
                image="repo/image:1",
                cpu=512,
                memory=1024,
                family="nightly",
                container_name="main",
                execution_role_arn=ROLE,
                task_role_arn="arn:aws:iam::123456789012:role/task",
                cluster="c",
                ephemeral_storage=50,
                cpu_architecture="ARM64",
                launch_type="FARGATE_SPOT",
                platform_version="1.4.0",
                enable_execute_command=True,
                subnets=["subnet-b", "subnet-a"],
                security_groups=["sg-1"],
                assign_public_ip=False,
                secrets={"TOKEN": SECRET_ARN},
                pool_secret=SECRET_ARN,
                stop_timeout=60,
                cloudwatch_logs_prefix="p",
                cloudwatch_logs_options={"awslogs-group": "g"},
                labels={"team": "data"},
            )
        )
        found = definition.build(made, REGION, OWNER)
        validate("ecs", "RegisterTaskDefinition", found.request)
        container = found.request["containerDefinitions"][0]
        assert found.family == "nightly"
        assert found.request["ephemeralStorage"] == {"sizeInGiB": 50}
        assert found.request["runtimePlatform"] == {"cpuArchitecture": "ARM64", "operatingSystemFamily": "LINUX"}
        assert found.request["taskRoleArn"] == "arn:aws:iam::123456789012:role/task"
        assert (container["name"], container["image"], container["stopTimeout"]) == ("main", "repo/image:1", 60)
        assert [each["name"] for each in container["secrets"]] == ["SKYLIFT_POOL_SECRET", "TOKEN"]
        assert found.target.logs == definition.LogPlace("g", "p/main")
        sent = request.run_task(made, a_launch(), "arn", "main", {}, made.given_network)
        validate("ecs", "RunTask", sent)
        assert sent["capacityProviderStrategy"] == [{"capacityProvider": "FARGATE_SPOT", "weight": 1}]
        assert "launchType" not in sent
        network = sent["networkConfiguration"]["awsvpcConfiguration"]
        assert network == {
            "subnets": ["subnet-a", "subnet-b"],
            "securityGroups": ["sg-1"],
            "assignPublicIp": "DISABLED",
        }
        assert (sent["cluster"], sent["platformVersion"], sent["enableExecuteCommand"]) == ("c", "1.4.0", True)
        assert {"key": "team", "value": "data"} in sent["tags"]

    def test_prefects_own_template_fits(self) -> None:
        """Command and environment are rendered into its nested bodies; the core's are what counts."""
        sent = asked(
            configuration(
                task_run_request={
                    "launchType": "FARGATE",
                    "tags": {"a": "b"},
                    "overrides": {
                        "cpu": 512,
                        "containerOverrides": [{"command": "prefect flow-run execute", "environment": {"A": "1"}}],
                    },
                }
            ),
            {"B": "2"},
        )
        validate("ecs", "RunTask", sent)
        assert sent["overrides"] == {
            "cpu": "512",
            "containerOverrides": [
                {"command": ["true"], "environment": [{"name": "B", "value": "2"}], "name": "run"},
            ],
        }


class TestDefinition:
    def test_nothing_of_a_run_is_in_it(self) -> None:
        one = definition.build(configuration(env={"A": "1"}, labels={"x": "1"}, name="one"), REGION, OWNER)
        two = definition.build(configuration(env={"A": "2"}, labels={"x": "2"}, command=["false"]), REGION, OWNER)
        assert one == two

    @pytest.mark.parametrize(
        "change",
        [
            {"task_definition": {"cpu": 512, "memory": 1024}},
            {"task_definition": {"containerDefinitions": [{"image": "other"}]}},
            {"secrets": {"A": SECRET_ARN}},
            {"stop_timeout": 5},
            {"cloudwatch_logs_prefix": "x"},
        ],
    )
    def test_what_differs_has_another_family(self, change: dict[str, Any]) -> None:
        assert built()["family"] != built(**change)["family"]

    def test_another_installation_has_definitions_of_its_own(self) -> None:
        assert definition.build(configuration(), REGION, "other").family != built()["family"]

    def test_a_family_of_the_users_keeps_its_name(self) -> None:
        assert built(task_definition={"family": "my flow/é"})["family"] == "my-flow--"

    def test_secrets_of_the_users_definition_stay(self) -> None:
        own = {"name": "run", "secrets": [{"name": "MINE", "valueFrom": "a"}, {"name": "TOKEN", "valueFrom": "old"}]}
        secrets = main(task_definition={"containerDefinitions": [own]}, secrets={"TOKEN": SECRET_ARN})["secrets"]
        assert secrets == [{"name": "MINE", "valueFrom": "a"}, {"name": "TOKEN", "valueFrom": SECRET_ARN}]

    def test_logs_go_to_cloudwatch_where_there_is_a_role_to_write_them(self) -> None:
        assert main()["logConfiguration"]["options"]["awslogs-group"] == "skylift"
        assert "logConfiguration" not in main(task_definition={"executionRoleArn": None})
        assert "logConfiguration" not in main(configure_cloudwatch_logs=False)

    def test_a_log_configuration_of_the_users_stays(self) -> None:
        own = {"logDriver": "awsfirelens", "options": {}}
        found = main(task_definition={"containerDefinitions": [{"logConfiguration": own}]})
        assert found["logConfiguration"]["logDriver"] == "awsfirelens"

    def test_machines_of_ones_own(self) -> None:
        found = built(task_run_request={"launchType": "EC2"}, gpu=2, task_definition={"memory": 512})
        container = found["containerDefinitions"][0]
        assert (container["cpu"], container["memory"]) == (definition.CPU, 512)
        assert container["resourceRequirements"] == [{"type": "GPU", "value": "2"}]
        assert (found["requiresCompatibilities"], found.get("networkMode")) == (["EC2"], None)
        assert "memory" not in found

    @given(cpu=st.integers(1, 20_000), memory=st.integers(1, 130_000))
    def test_a_size_is_refused_here_exactly_where_fargate_refuses_it(self, cpu: int, memory: int) -> None:
        fits = memory in ecs_rules.FARGATE_SIZES.get(str(cpu), set())
        refused = False
        try:
            built(task_definition={"cpu": cpu, "memory": memory})
        except Rejected:
            refused = True
        assert refused != fits

    @pytest.mark.parametrize(
        ("values", "field"),
        [
            ({"secrets": {"A": "no arn at all!"}}, "'A'"),
            ({"pool_secret": SECRET_ARN, "task_definition": {"executionRoleArn": None}}, "execution role"),
            ({"configure_cloudwatch_logs": True, "task_definition": {"executionRoleArn": None}}, "execution role"),
            ({"gpu": 1}, "GPU"),
            ({"task_definition": {"cpu": "much"}}, "'cpu'"),
        ],
    )
    def test_what_cannot_work_is_refused(self, values: dict[str, Any], field: str) -> None:
        with pytest.raises(Rejected, match=field) as caught:
            built(**values)
        assert caught.value.remedy

    def test_a_definition_of_the_users(self) -> None:
        own = {
            "networkMode": "awsvpc",
            "containerDefinitions": [{"name": "sidecar"}, {"name": "prefect", "secrets": [{"name": "A"}]}],
        }
        assert definition.own_target(own, configuration()).container == "prefect"
        assert definition.own_target(own, configuration(container_name="sidecar")).container == "sidecar"
        with pytest.raises(Rejected, match="container_name"):
            definition.own_target(own, configuration(container_name="nope"))
        assert definition.own_target(own, configuration(secrets={"A": SECRET_ARN})).container == "prefect"
        with pytest.raises(Rejected, match="SKYLIFT_POOL_SECRET"):
            definition.own_target(own, configuration(pool_secret=SECRET_ARN))


class TestRunTask:
    def test_it_is_the_same_each_time(self) -> None:
        made = configuration(labels={"b": "1", "a": "2"})
        assert json.dumps(asked(made, {"B": "1", "A": "2"})) == json.dumps(asked(made, {"A": "2", "B": "1"}))

    def test_it_carries_the_attempt_as_token_and_mark(self) -> None:
        sent = asked(configuration())
        assert sent["clientToken"] == str(UUID(int=7))
        assert request.attempt_of({"startedBy": sent["startedBy"]}) == UUID(int=7)
        tags = {each["key"]: each["value"] for each in sent["tags"]}
        assert tags[request.ATTEMPT] == str(UUID(int=7))
        assert tags[request.INSTALLATION] == OWNER

    @pytest.mark.parametrize("started_by", ["", "ecs-svc/123", "skylift/", "skylift/not-a-uuid", None])
    def test_what_others_started_is_not_ours(self, started_by: str | None) -> None:
        assert request.attempt_of({"startedBy": started_by}) is None

    @given(labels=st.dictionaries(st.text(max_size=200), st.text(max_size=400), max_size=80))
    def test_labels_become_tags_that_ecs_takes(self, labels: dict[str, str]) -> None:
        sent = asked(configuration(labels=labels))
        ecs_rules._check_tags(sent["tags"])
        assert {"key": request.ATTEMPT, "value": str(UUID(int=7))} in sent["tags"]

    def test_our_tags_win(self) -> None:
        sent = asked(configuration(labels={request.ATTEMPT: "forged"}))
        assert [each["value"] for each in sent["tags"] if each["key"] == request.ATTEMPT] == [str(UUID(int=7))]

    def test_what_is_too_long_is_refused_before_it_is_sent(self) -> None:
        fits = {"A": "x" * 8000}
        ecs_rules._check_overrides(
            asked(configuration(), fits)["overrides"], {"containerDefinitions": [{"name": "run"}]}
        )
        with pytest.raises(Rejected, match="8192") as caught:
            asked(configuration(), {"A": "x" * 8192})
        assert "runner" in (caught.value.remedy or "")

    def test_a_strategy_stands_in_the_place_of_a_launch_type(self) -> None:
        strategy = [{"capacityProvider": "mine", "weight": 1}]
        sent = asked(configuration(task_run_request={"launchType": "FARGATE", "capacityProviderStrategy": strategy}))
        assert sent["capacityProviderStrategy"] == strategy
        assert "launchType" not in sent

    def test_other_containers_overrides_stay(self) -> None:
        others = [{"name": "sidecar", "cpu": 10}]
        sent = asked(configuration(task_run_request={"overrides": {"containerOverrides": others}}))
        assert [each["name"] for each in sent["overrides"]["containerOverrides"]] == ["run", "sidecar"]

    def test_a_network_configuration_is_taken_as_it_is(self) -> None:
        given_network = {"subnets": ["subnet-z", "subnet-a"], "assignPublicIp": "DISABLED"}
        for form in (given_network, {"awsvpcConfiguration": given_network}):
            assert configuration(network_configuration=form).given_network == given_network


class TestReading:
    def test_an_unknown_field_is_named_and_its_value_is_not(self) -> None:
        with pytest.raises(Rejected, match="extra_field") as caught:
            request.read_configuration({"command": ["true"], "extra_field": "hunter2-hunter2"})
        assert "hunter2" not in f"{caught.value} {caught.value.remedy}"

    def test_whoever_only_looks_reads_what_is_left(self) -> None:
        found = request.reach({"cluster": "c", "from_an_older_template": 1, "task_run_request": {"cluster": "d"}})
        assert found.place == "c"
        assert request.reach({}).place == "default"

    @pytest.mark.parametrize("field", ["command", "labels", "env in the definition", "options", "request"])
    def test_a_secret_in_a_field_that_is_shown_is_refused(self, field: str) -> None:
        value = "hunter2-hunter2"
        environment = [{"name": "A", "value": value}]
        cases: dict[str, dict[str, Any]] = {
            "command": {"command": ["echo", value]},
            "labels": {"labels": {"a": value}},
            "env in the definition": {"task_definition": {"containerDefinitions": [{"environment": environment}]}},
            "options": {"cloudwatch_logs_options": {"awslogs-group": value}},
            "request": {"task_run_request": {"group": value}},
        }
        with pytest.raises(Rejected) as caught:
            request.check_secrets(configuration(**cases[field]), {value})
        assert value not in f"{caught.value} {caught.value.remedy}"

    def test_a_region_that_comes_from_a_block_is_no_secret(self) -> None:
        made = configuration(aws_credentials={"region_name": REGION, "aws_secret_access_key": "s3cr3t"})
        assert made.credentials.plain == {REGION}

    def test_a_malformed_body_is_told_by_the_services_own_model(self) -> None:
        with pytest.raises(Malformed):
            validate("ecs", "RunTask", {**asked(configuration()), "nonsense": 1})
