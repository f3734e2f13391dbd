"""A local ECS for benchmarks, the same for all that are compared: it takes tasks as fast as it can and says when it
took which run's. It decides nothing about them; the local AWS of the tests is the one that knows Amazon's rules.

`python -m benchmarks.peers.ecs [--plays]` serves until its stdin is closed, and prints its URL first.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from tests.clouds.http_cloud import Answer, HttpCloud, Request

ACCOUNT, REGION, CLUSTER = "000000000000", "eu-central-1", "runs"
ENVIRONMENT = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": REGION}
RUN_TAGS, RUN_VARIABLE = ("skylift:flow-run", "dagster/run_id"), "PREFECT__FLOW_RUN_ID"
"""Where the systems put the id of the run that a task is for."""
PREFECT_RUN = """
import os, json, urllib.request
for type_ in ("RUNNING", "COMPLETED"):
    body = json.dumps({"state": {"type": type_}}).encode()
    url = f"{os.environ['PREFECT_API_URL']}/flow_runs/{os.environ['PREFECT__FLOW_RUN_ID']}/set_state"
    urllib.request.urlopen(urllib.request.Request(url, body, {"Content-Type": "application/json"}), timeout=60).read()
"""
"""Stands for `prefect flow-run execute`, whose imports take seconds: what it says to the server, and no more."""
EMPTY_XML = b"<Response><requestId>0</requestId>%b</Response>"
XML = {
    "DescribeSubnets": b"<subnetSet><item><subnetId>subnet-1</subnetId><vpcId>vpc-1</vpcId></item></subnetSet>",
    "DescribeVpcs": b"<vpcSet><item><vpcId>vpc-1</vpcId><isDefault>true</isDefault></item></vpcSet>",
    "GetCallerIdentity": b"<GetCallerIdentityResult><Account>000000000000</Account><UserId>test</UserId>"
    b"<Arn>arn:aws:iam::000000000000:user/test</Arn></GetCallerIdentityResult>",
}
EMPTY_LISTS: dict[str, dict[str, list[str]]] = {
    "ListTasks": {"taskArns": []},
    "ListTaskDefinitions": {"taskDefinitionArns": []},
    "ListTaskDefinitionFamilies": {"families": []},
    "ListAccountSettings": {"settings": []},
    "ListSecrets": {"SecretList": []},
}
NO_DEFINITION = {"__type": "ClientException", "message": "Unable to describe task definition."}
NO_QUEUE = {"__type": "com.amazonaws.sqs#QueueDoesNotExist", "message": "The specified queue does not exist."}


class LocalEcs(HttpCloud):
    """`plays`: containers are really started, as processes; else tasks stay RUNNING and nothing happens in them."""

    def __init__(self, *, plays: bool) -> None:
        super().__init__()
        self.plays = plays
        self.taken: list[tuple[str, float]] = []
        """Run and moment (Unix time) of each RunTask."""
        self.tasks: dict[str, dict[str, Any]] = {}
        self.definitions: dict[str, dict[str, Any]] = {}
        self._by_token: dict[str, str] = {}
        self._lock = threading.Lock()
        self._actions: dict[str, Callable[[Any], Any]] = {
            "RunTask": self._run_task,
            "RegisterTaskDefinition": self._register,
            "DescribeTaskDefinition": lambda asked: {"taskDefinition": self._definition(asked["taskDefinition"])},
            "DescribeTasks": self._describe,
            "StopTask": self._stop,
        }

    def answer(self, request: Request) -> Answer:
        target = request.headers.get("x-amz-target", "")
        if target:
            operation = target.rpartition(".")[2]
            if operation == "GetQueueUrl":
                return Answer(400, NO_QUEUE, {"x-amzn-query-error": "AWS.SimpleQueueService.NonExistentQueue;Sender"})
            try:
                return Answer(body=self._answer(operation, request.json()))
            except LookupError:
                return Answer(400, NO_DEFINITION)
        if request.path == "/taken":
            return Answer(body=self.taken)
        action = re.search(rb"Action=(\w+)", request.body)
        inner = XML.get(action[1].decode(), b"") if action else b""
        return Answer(body=EMPTY_XML % inner, headers={"Content-Type": "text/xml"})

    def _answer(self, operation: str, asked: Any) -> Any:
        own = self._actions.get(operation)
        return own(asked) if own else EMPTY_LISTS.get(operation, {})

    # -- tasks

    def _run_task(self, asked: Mapping[str, Any]) -> Any:
        token = asked.get("clientToken") or str(uuid4())
        with self._lock:
            arn = self._by_token.get(token)
            if not arn:
                arn = f"arn:aws:ecs:{REGION}:{ACCOUNT}:task/{CLUSTER}/{uuid4().hex}"
                self._by_token[token] = arn
                self.tasks[arn] = self._new_task(arn, asked)
                self.taken.append((run_of(asked), time.time()))
                if self.plays:
                    threading.Thread(target=self._play, args=(arn, asked), daemon=True).start()
        return {"tasks": [self.tasks[arn]], "failures": []}

    def _new_task(self, arn: str, asked: Mapping[str, Any]) -> dict[str, Any]:
        definition = self._definition(asked["taskDefinition"])
        return {
            "taskArn": arn,
            "clusterArn": f"arn:aws:ecs:{REGION}:{ACCOUNT}:cluster/{CLUSTER}",
            "taskDefinitionArn": definition["taskDefinitionArn"],
            "startedBy": asked.get("startedBy", ""),
            "overrides": asked.get("overrides", {}),
            "lastStatus": "RUNNING",
            "desiredStatus": "RUNNING",
            "launchType": "FARGATE",
            "createdAt": time.time(),
            "startedAt": time.time(),
            "version": 1,
            "tags": asked.get("tags", []),
            "containers": [
                {"name": each["name"], "taskArn": arn, "lastStatus": "RUNNING"}
                for each in definition["containerDefinitions"]
            ],
        }

    def _play(self, arn: str, asked: Mapping[str, Any]) -> None:
        override = asked["overrides"]["containerOverrides"][0]
        env = {each["name"]: each["value"] for each in override["environment"]}
        command = override["command"]
        if RUN_VARIABLE in env and "prefect" in command:
            command = ["python3", "-c", PREFECT_RUN]
        ended = subprocess.run(command, env={"PATH": os.environ["PATH"], **env}, capture_output=True, check=False)
        self._end(arn, ended.returncode)

    def _end(self, arn: str, code: int) -> None:
        task = self.tasks[arn]
        for each in task["containers"]:
            each |= {"lastStatus": "STOPPED", "exitCode": code}
        task |= {"lastStatus": "STOPPED", "desiredStatus": "STOPPED", "stoppedAt": time.time(), "version": 2}

    def _describe(self, asked: Mapping[str, Any]) -> Any:
        found = [self.tasks[arn] for arn in asked["tasks"] if arn in self.tasks]
        missing = [{"arn": arn, "reason": "MISSING"} for arn in asked["tasks"] if arn not in self.tasks]
        return {"tasks": found, "failures": missing}

    def _stop(self, asked: Mapping[str, Any]) -> Any:
        self._end(asked["task"], 137)
        return {"task": self.tasks[asked["task"]]}

    # -- task definitions

    def _register(self, asked: Mapping[str, Any]) -> Any:
        with self._lock:
            revision = len(self.definitions) + 1
            arn = f"arn:aws:ecs:{REGION}:{ACCOUNT}:task-definition/{asked['family']}:{revision}"
            self.definitions[arn] = {
                **{name: value for name, value in asked.items() if name != "tags"},
                "taskDefinitionArn": arn,
                "revision": revision,
                "status": "ACTIVE",
            }
        return {"taskDefinition": self.definitions[arn], "tags": asked.get("tags", [])}

    def _definition(self, name: str) -> dict[str, Any]:
        """By ARN, or the newest of a family. Raises `LookupError`."""
        if name in self.definitions:
            return self.definitions[name]
        return [each for each in self.definitions.values() if each["family"] == name][-1]


def run_of(asked: Mapping[str, Any]) -> str:
    """The id of the run that a task is for; empty where it says none."""
    tags = {each["key"]: each["value"] for each in asked.get("tags") or []}
    for override in asked.get("overrides", {}).get("containerOverrides", []):
        tags |= {each["name"]: each["value"] for each in override.get("environment", [])}
    found = next((tags[name] for name in (*RUN_TAGS, RUN_VARIABLE) if name in tags), "")
    return str(UUID(found)) if found else ""


class Endpoint:
    """Such an ECS as a process of its own, from the outside."""

    def __init__(self, url: str, pid: int) -> None:
        self.url, self.pid = url, pid
        self.environment = {**ENVIRONMENT, "AWS_ENDPOINT_URL": url}

    def taken(self) -> dict[str, float]:
        """Unix time of each run's first RunTask, in the order in which they came."""
        with urllib.request.urlopen(f"{self.url}/taken", timeout=30) as answer:
            found: list[tuple[str, float]] = json.load(answer)
        firsts: dict[str, float] = {}
        for run, at in found:
            firsts.setdefault(run, at)
        return firsts


@contextmanager
def endpoint(*, plays: bool = False) -> Iterator[Endpoint]:
    """Starts one and ends it."""
    command = [sys.executable, "-m", "benchmarks.peers.ecs", *(["--plays"] if plays else [])]
    root = Path(__file__).parents[2]
    with subprocess.Popen(command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdin
        try:
            yield Endpoint(process.stdout.readline().strip(), process.pid)
        finally:
            process.stdin.close()
            process.wait(20)


def main() -> None:
    """Serve."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers.ecs", description="A local ECS.")
    parser.add_argument("--plays", action="store_true", help="really start the containers, as processes")
    assert shutil.which("python3")
    with LocalEcs(plays=parser.parse_args().plays) as cloud:
        print(cloud.url, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
