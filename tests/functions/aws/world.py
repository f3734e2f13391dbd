"""An account in the local AWS with Skylift's functions in it, and runs that write evidence."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet

import skylift_ecs
from skylift_ecs.permissions import ALL
from skylift_functions.aws import PLATFORM
from tests.clouds.aws import LocalAws
from tests.clouds.aws_backends import KEYS, REGION, Backend
from tests.clouds.lambda_events import EventSource, HttpFront, QueueSource
from tests.clouds.lambda_runtime import Function, Sandbox
from tests.functions.workload import API_KEY, Workload
from tests.providers.ecs.support import BUCKET, CLUSTER, ROLE, furnish

VISIBILITY = 120
"""Seconds; longer than any function may take."""
RECEIVES = 20
"""Deliveries of one message before it is in the dead-letter queue: killing makes many of them."""
ALLOWED = frozenset(
    {each.action for each in ALL} | {action for each in PLATFORM.functions for action in each.permissions}
)
TICK = {"id": "tick", "source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}


@dataclass
class Account:
    """Queues and secrets; what a deployment of the functions makes."""

    backend: Backend
    database_url: str
    queues: dict[str, str] = field(default_factory=dict)
    env: dict[str, str] = field(default_factory=dict)
    dead: str = ""

    def furnish(self, endpoint: str) -> None:
        furnish(self.backend)
        sqs = self.backend.client("sqs")
        self.dead = sqs.create_queue(QueueName="dead")["QueueUrl"]
        wanted = sqs.get_queue_attributes(QueueUrl=self.dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        redrive = json.dumps({"deadLetterTargetArn": wanted, "maxReceiveCount": str(RECEIVES)})
        for verb in ("dispatch", "observe", "schedule"):
            attributes = {"VisibilityTimeout": str(VISIBILITY), "RedrivePolicy": redrive}
            self.queues[verb] = sqs.create_queue(QueueName=verb, Attributes=attributes)["QueueUrl"]
        secrets, parameters = self.backend.client("secretsmanager"), self.backend.client("ssm")
        key = secrets.create_secret(Name="skylift/key", SecretString=Fernet.generate_key().decode())
        api_key = secrets.create_secret(Name="skylift/api-key", SecretString=API_KEY)
        parameters.put_parameter(Name="/skylift/database", Value=self.database_url, Type="SecureString")
        self.env = {
            "SKYLIFT_SECRET_KEY_FROM": key["ARN"],
            "SKYLIFT_API_KEY_FROM": api_key["ARN"],
            "SKYLIFT_DATABASE_URL_FROM": f"arn:aws:ssm:{REGION}:000000000000:parameter/skylift/database",
            "SKYLIFT_API_URL": "http://127.0.0.1:1/api",
            **{f"SKYLIFT_QUEUE_{verb.upper()}": url for verb, url in self.queues.items()},
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": KEYS["aws_access_key_id"],
            "AWS_SECRET_ACCESS_KEY": KEYS["aws_secret_access_key"],
        }

    def dead_letters(self) -> list[str]:
        """Some of them, if there are any: queue and body are what is told of them."""
        received = self.backend.client("sqs").receive_message(QueueUrl=self.dead, MaxNumberOfMessages=10)
        return [each["Body"] for each in received.get("Messages", [])]


class World(Workload):
    """The functions, and what calls them."""

    def __init__(
        self, account: Account, cloud: LocalAws, database_url: str, folder: Path, *, sandboxes: int = 1
    ) -> None:
        """`database_url`: by which the tests look at the account's database."""
        place = {"cluster": CLUSTER, "execution_role_arn": ROLE, "secrets_bucket": BUCKET, "cpu": 256}
        variables = {**place, "aws_credentials": cloud.credentials}
        super().__init__(database_url, folder, skylift_ecs.PROVIDER, variables)
        self.account, self.cloud = account, cloud
        self.functions: dict[str, Function] = {}
        counts = {"api": 2, "trigger": 1, "schedule": 1, "dispatch": sandboxes, "observe": 1 + sandboxes}
        for name, most in counts.items():
            about = PLATFORM.function(name)
            self.functions[name] = Function(
                name, about.handler, account.env, folder, timeout=min(about.timeout, 60), most=most
            )
        self.front = HttpFront(self.functions["api"], {"/hooks/": self.functions["trigger"]})
        account.env["SKYLIFT_API_URL"] = f"{self.front.url}/api"
        for each in self.functions.values():
            for sandbox in each.sandboxes:
                sandbox.env = {**sandbox.env, "SKYLIFT_API_URL": account.env["SKYLIFT_API_URL"]}
        self.events = EventSource(self.functions["observe"])
        self.hears = True
        self.disordered: random.Random | None = None
        """By whose chance events come twice, late and in any order."""
        self.sources: dict[str, QueueSource] = {}
        cloud.tasks.listeners.append(self._heard)

    def _heard(self, event: dict[str, Any]) -> None:
        if not self.hears or event["detail"]["lastStatus"] not in ("RUNNING", "STOPPED"):
            return
        for _ in range(self.disordered.choice((1, 2)) if self.disordered else 1):
            if self.disordered and self.disordered.random() < 0.5:
                threading.Timer(self.disordered.uniform(0, 3), self.events.put, (event,)).start()
            else:
                self.events.put(event)

    def connect_queues(self) -> None:
        sqs = self.account.backend.client("sqs")
        for verb, url in self.account.queues.items():
            self.sources[verb] = QueueSource(sqs, url, self.functions[verb])

    @property
    def address(self) -> str:
        return self.front.url

    @property
    def victims(self) -> dict[str, list[Sandbox]]:
        return {name: each.sandboxes for name, each in self.functions.items()}

    def tick(self) -> str:
        """How the timer's invocation ended."""
        return self.functions["schedule"].invoke(TICK).kind

    def close(self) -> None:
        self.hears = False
        for source in self.sources.values():
            source.close()
        self.events.close()
        for function in self.functions.values():
            function.close()
        self.front.close()
        self.store.close()

    def invocations(self) -> dict[str, int]:
        return {name: len(each.outcomes) for name, each in self.functions.items()}

    def check(self, runs: int) -> None:
        """Nothing lost, nothing doubled, and no message that nobody could deal with."""
        super().check(runs)
        letters = self.account.dead_letters()
        assert not letters, letters


@contextmanager
def open_world(
    backend: Backend,
    database_url: str,
    folder: Path,
    *,
    functions_url: str | None = None,
    env: Mapping[str, str] | None = None,
    **options: Any,
) -> Iterator[World]:
    """With its queues not connected yet. `functions_url`: where functions reach the database by another way than tests.
    `env`: what is set for functions besides."""
    account = Account(backend, functions_url or database_url)
    with LocalAws(backend, allowed=ALLOWED) as cloud:
        account.furnish(cloud.url)
        account.env |= env or {}
        world = World(account, cloud, database_url, folder, **options)
        try:
            with world.front:
                yield world
        finally:
            world.close()
