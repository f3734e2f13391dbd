"""serverless.yml deployed onto the local AWS, whose Lambdas really run: each from its zip, by its own Python."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import psycopg
import urllib3
from cryptography.fernet import Fernet
from sqlalchemy import make_url

from tests.clouds.aws import HOP, LocalAws
from tests.clouds.aws_backends import KEYS, REGION, Ministack
from tests.clouds.http_cloud import Answer, HttpCloud, Request
from tests.providers.ecs.support import furnish

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / ".venv-serverless" / "bin" / "python"
OSLS = ROOT / "tests" / "serverless" / "node_modules" / ".bin" / "osls"
ZIPS = sorted((ROOT / "dist").glob("skylift-aws-*.zip"))
API_KEY = "key-of-the-tests-hunter2"
STACK, STAGE = "skylift-prod", "prod"


def missing() -> list[str]:
    """What `make test-serverless` makes and is not here."""
    found = [str(each.relative_to(ROOT)) for each in (PYTHON, OSLS) if not each.exists()]
    return [*found, *([] if ZIPS else ["dist/skylift-aws-*.zip"]), *([] if shutil.which("node") else ["node"])]


class Lambdas(Ministack):
    """The local AWS under the functions' own Python: functions run under the same, and call it through the proxy."""

    def __init__(self) -> None:
        super().__init__()
        self.seen_at = ""

    def command(self) -> list[str]:
        return [str(PYTHON.with_name("ministack"))]

    def environment(self) -> dict[str, str]:
        # The editable Skylift of the tests must not be what runs.
        return {**super().environment(), "AWS_ENDPOINT_URL": self.seen_at, "PYTHONPATH": "", "PYTHONNOUSERSITE": "1"}


class Address(HttpCloud):
    """The HTTP API's address, as DNS would have it: requests go on with the name that the local AWS knows it by."""

    def __init__(self, backend: Lambdas) -> None:
        super().__init__()
        self.backend, self.api_id = backend, ""
        self._http = urllib3.PoolManager(maxsize=16, retries=False)

    def close(self) -> None:
        super().close()
        self._http.clear()

    def answer(self, request: Request) -> Answer:
        kept = {name: value for name, value in request.headers.items() if name not in HOP}
        headers = {**kept, "Host": f"{self.api_id}.execute-api.localhost:{self.backend.port}"}
        url = self.backend.url + request.path + (f"?{urlencode(request.query)}" if request.query else "")
        found = self._http.request(request.method, url, body=request.body, headers=headers, timeout=120)
        answered = {
            name: value for name, value in found.headers.items() if name.lower() not in {*HOP, "date", "server"}
        }
        return Answer(found.status, found.data, answered)


@dataclass
class Stack:
    """What is deployed."""

    backend: Lambdas
    cloud: LocalAws
    address: Address
    folder: Path
    database_url: str

    def furnish(self) -> dict[str, str]:
        """An account as the page has it: a cluster for the runs, an empty database, and three secrets."""
        furnish(self.backend)
        secrets = {"database": self.database_url, "keys": Fernet.generate_key().decode(), "api_key": API_KEY}
        make = self.backend.client("secretsmanager").create_secret
        return {name: make(Name=f"skylift/{name}", SecretString=value)["ARN"] for name, value in secrets.items()}

    def osls(self, command: str, params: Mapping[str, str]) -> str:
        """Run it as its user would, in a folder that has what the repository has."""
        words = [str(OSLS), command, "--region", REGION, *(f"--param={name}={value}" for name, value in params.items())]
        keys = {"AWS_ACCESS_KEY_ID": KEYS["aws_access_key_id"], "AWS_SECRET_ACCESS_KEY": KEYS["aws_secret_access_key"]}
        kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        env = {**kept, **keys, "AWS_ENDPOINT_URL": self.backend.url, "SLS_TELEMETRY_DISABLED": "1", "NO_COLOR": "1"}
        done = subprocess.run(words, cwd=self.folder, env=env, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def outputs(self) -> dict[str, str]:
        (about,) = self.backend.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"]
        assert about["StackStatus"] in ("CREATE_COMPLETE", "UPDATE_COMPLETE")
        return {each["OutputKey"]: each["OutputValue"] for each in about["Outputs"]}

    def invoke(self, function: str, event: Mapping[str, Any]) -> Any:
        """Synchronously. Fails where the function does."""
        name = f"{STACK}-{function}"
        answer = self.backend.client("lambda").invoke(FunctionName=name, Payload=json.dumps(event).encode())
        told = answer["Payload"].read().decode()
        assert "FunctionError" not in answer, told
        return json.loads(told)

    def said(self, function: str) -> str:
        """What it has logged."""
        logs, group = self.backend.client("logs"), f"/aws/lambda/{STACK}-{function}"
        return "\n".join(each["message"] for each in logs.filter_log_events(logGroupName=group)["events"])

    def hear(self, event: dict[str, Any]) -> None:
        """An event of ECS to whom the deployed rule names: the local AWS lets nobody send events as `aws.ecs`."""
        events = self.backend.client("events")
        text = json.dumps(event)
        for rule in events.list_rules()["Rules"]:
            pattern = rule.get("EventPattern")
            if pattern and events.test_event_pattern(EventPattern=pattern, Event=text)["Result"]:
                for target in events.list_targets_by_rule(Rule=rule["Name"])["Targets"]:
                    self.backend.client("lambda").invoke(
                        FunctionName=target["Arn"], InvocationType="Event", Payload=text.encode()
                    )


def workspace(folder: Path) -> Path:
    """What a checkout has of the deployment, and `make package` made."""
    shutil.copyfile(ROOT / "serverless.yml", folder / "serverless.yml")
    shutil.copytree(ROOT / "functions" / "serverless", folder / "functions" / "serverless")
    (folder / "dist").symlink_to(ROOT / "dist")
    return folder


def empty_database(url: str) -> str:
    """Another database beside this one, in which there is nothing."""
    there = make_url(url)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS serverless")
        connection.execute("CREATE DATABASE serverless TEMPLATE template0")
    return there.set(database="serverless").render_as_string(hide_password=False)


def forget_uploads(backend: Lambdas) -> None:
    """What osls put into its bucket, where nothing removed the deployment."""
    s3 = backend.client("s3")
    for bucket in s3.list_buckets()["Buckets"]:
        for each in s3.list_objects_v2(Bucket=bucket["Name"], Prefix="serverless/").get("Contents", []):
            s3.delete_object(Bucket=bucket["Name"], Key=each["Key"])
