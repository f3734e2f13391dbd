"""serverless.yml, packaged without a network, and deployed: a webhook's delivery becomes a run that ends in ECS."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

import skylift_ecs
from skylift_functions.aws import PLATFORM
from tests.chaos import evidence
from tests.clouds.aws_backends import REGION
from tests.clouds.http_cloud import Request
from tests.clouds.lambda_events import http_event
from tests.functions.aws.test_cold_start import EVENTS
from tests.functions.senders import Sender
from tests.providers.ecs.support import BUCKET, CLUSTER, ROLE
from tests.serverless.stack import API_KEY, OSLS, PYTHON, STACK, Stack, missing, workspace

pytestmark = [pytest.mark.serverless, pytest.mark.timeout(300)]
SECRET = f"arn:aws:secretsmanager:{REGION}:000000000000:secret:skylift"
CLUSTER_OF_DSQL = f"arn:aws:dsql:{REGION}:000000000000:cluster/abcdefghijklmnopqrstuvwxyz"
OWN = "W3005"
"""osls says of roles and integrations in words what references say already."""
EVENTS_OF_ALL: dict[str, Any] = {**EVENTS, "api": http_event(Request("GET", "/api/health", {}, {}, b""))}


def test_it_is_packaged_without_a_network_and_cfn_lint_has_nothing_to_say(tmp_path: Path) -> None:
    assert not missing(), f"Run `make test-serverless`; missing: {', '.join(missing())}"
    alone = ["unshare", "-n"] if os.geteuid() == 0 else ["unshare", "-rn"]
    params = [f"--param={name}={SECRET}/{name}-aaaaaa" for name in ("keys", "api_key")]
    alarms = ["--param=alarms_to=arn:aws:sns:eu-central-1:000000000000:alarms", "--param=tracing=true"]
    for more in ([f"--param=database={SECRET}/database-aaaaaa"], [f"--param=dsql={CLUSTER_OF_DSQL}", *alarms]):
        words = [*alone, str(OSLS), "package", "--package", str(tmp_path / "out"), *params, *more]
        kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        folder = tmp_path / "checkout"
        if not folder.exists():
            folder.mkdir()
            workspace(folder)
        done = subprocess.run(words, cwd=folder, env=kept, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr
        template = tmp_path / "out" / "cloudformation-template-update-stack.json"
        lint = [str(PYTHON.with_name("cfn-lint")), "--regions", REGION, "--ignore-checks", OWN, "-t", str(template)]
        found = subprocess.run(lint, capture_output=True, text=True, timeout=120)
        assert (found.returncode, found.stdout + found.stderr) == (0, "")


@pytest.mark.parametrize("function", [each.name for each in PLATFORM.functions])
def test_every_function_runs_from_its_zip_and_answers_an_event(stack: Stack, function: str) -> None:
    answer = stack.invoke(function, EVENTS_OF_ALL[function])
    expected: dict[str, Any] = {"schedule": None, "dispatch": {"batchItemFailures": []}, "observe": None}
    if function in expected:
        assert answer == expected[function]
    else:
        assert answer["statusCode"] == {"api": 200, "trigger": 404}[function]


class Client:
    """Whoever has the API key."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.http = httpx.Client(
            base_url=f"{stack.address.url}/api", headers={"Authorization": f"Bearer {API_KEY}"}, timeout=120
        )

    def make(self, path: str, /, **body: Any) -> dict[str, Any]:
        answer = self.http.post(path, json=body)
        assert answer.status_code in (200, 201), answer.text
        made: dict[str, Any] = answer.json()
        return made

    def ended(self, run: str, seconds: float = 150) -> dict[str, Any]:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            found: dict[str, Any] = self.http.get(f"/flow_runs/{run}").json()
            if found["state"]["type"] in ("COMPLETED", "FAILED", "CRASHED"):
                return found
            time.sleep(0.5)
        raise AssertionError(found["state"])

    def story(self, run: dict[str, Any]) -> str:
        """For whoever has to find out why."""
        wanted = {"logs": {"flow_run_id": {"any_": [run["id"]]}}}
        lines = self.http.post("/logs/filter", json=wanted).text
        return "\n".join([json.dumps(run["state"]), lines, self.stack.said("api")])


@pytest.fixture
def client(stack: Stack) -> Iterator[Client]:
    made = Client(stack)
    yield made
    made.http.close()


def test_a_delivery_becomes_a_run_that_ends_completed_in_ecs(stack: Stack, client: Client, tmp_path: Path) -> None:
    """A bare command, and a Python function whose runner speaks to the deployed API."""
    template = skylift_ecs.PROVIDER.base_job_template()
    variables = {"cluster": CLUSTER, "execution_role_arn": ROLE, "secrets_bucket": BUCKET, "cpu": 256}
    for variable, value in {**variables, "aws_credentials": stack.cloud.credentials}.items():
        template["variables"]["properties"][variable]["default"] = value
    client.make("/work_pools/", name="cloud", type="ecs:push", base_job_template=template)
    flow = client.make("/flows/", name="flow")["id"]
    (tmp_path / "work.sh").write_text(evidence.SCRIPT)
    (tmp_path / "work.py").write_text(evidence.FUNCTION)
    env = {"EVIDENCE": str(tmp_path / "evidence"), "LASTS": "0.1"}
    kinds: dict[str, dict[str, Any]] = {
        "command": {
            "job_variables": {"env": env, "runner": False, "command": f"/bin/sh {tmp_path}/work.sh"},
        },
        "python": {"entrypoint": "work.py:work", "path": str(tmp_path), "job_variables": {"env": env}},
    }
    template_of_hooks = {"tags": ["from-{{ webhook }}-{{ body.number }}"]}
    engines: dict[str, str] = {}
    for engine, about in kinds.items():
        made = client.make("/deployments/", name=engine, flow_id=flow, work_pool_name="cloud", engine=engine, **about)
        hook = client.make("/skylift/webhooks/", name=engine, deployment_id=made["id"], template=template_of_hooks)
        engines[Sender(stack.address.url + hook["path"], hook["secret"]).deliver(1)] = engine
    for run in engines:
        ended = client.ended(run)
        assert ended["state"]["name"] == "Completed", client.story(ended)
        assert ended["tags"] == [f"from-{engines[run]}-1"]
    lines = evidence.read(tmp_path / "evidence")
    assert sorted(line.run for line in lines if line.word == "stop") == sorted(engines)
    tasks = stack.cloud.journal.calls("RunTask")
    assert len(tasks) == 2
    url = stack.outputs()["DeadLettersUrl"]
    dead = stack.backend.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert dead["ApproximateNumberOfMessages"] == "0"


def test_what_is_deployed_is_what_was_meant(stack: Stack) -> None:
    lambdas = stack.backend.client("lambda")
    for each in PLATFORM.functions:
        made = lambdas.get_function_configuration(FunctionName=f"{STACK}-{each.name}")
        assert (made["Handler"], made["Timeout"], made["MemorySize"]) == (each.handler, each.timeout, each.memory)
        variables = made["Environment"]["Variables"]
        wanted = set(PLATFORM.variables) - ({"SKYLIFT_API_KEY_FROM"} if each.name != "api" else set())
        assert set(variables) >= wanted
        assert not [value for value in variables.values() if API_KEY in value or value.startswith("postgres")]
    groups = stack.backend.client("logs").describe_log_groups(logGroupNamePrefix=f"/aws/lambda/{STACK}-")["logGroups"]
    assert {group["retentionInDays"] for group in groups} == {30}
    assert len(groups) == len(PLATFORM.functions)
    alarms = stack.backend.client("cloudwatch").describe_alarms()["MetricAlarms"]
    metrics = {"ApproximateNumberOfMessagesVisible", "LateRuns", "SweepHits", "Invocations"}
    assert {each["MetricName"] for each in alarms} == metrics
    rules = stack.backend.client("events").list_rules()["Rules"]
    assert [rule["ScheduleExpression"] for rule in rules if rule.get("ScheduleExpression")] == ["rate(5 minutes)"]
    (pattern,) = (rule["EventPattern"] for rule in rules if rule.get("EventPattern"))
    assert json.loads(pattern) == PLATFORM.function("observe").pattern


def test_it_is_removed_and_secrets_stay(stack: Stack) -> None:
    """The last one here."""
    secrets = stack.backend.client("secretsmanager").list_secrets()["SecretList"]
    arns = {each["Name"].rpartition("/")[2]: each["ARN"] for each in secrets}
    stack.osls("remove", arns)
    assert not stack.backend.client("lambda").list_functions()["Functions"]
    assert len(stack.backend.client("secretsmanager").list_secrets()["SecretList"]) == 3
