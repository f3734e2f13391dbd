"""An account in the local AWS with Skylift's functions in it, and runs that write evidence."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
from cryptography.fernet import Fernet
from sqlalchemy import func, select

import skylift_ecs
from skylift.models.flows import DeploymentCreate, FlowCreate
from skylift.models.pools import PoolSettings, WorkPoolCreate
from skylift.store import Store, deployments, flows, pools
from skylift.store.tables import attempts, ended_attempts, flow_runs
from skylift_ecs.permissions import ALL
from skylift_functions.aws import PLATFORM
from tests.chaos import evidence
from tests.clouds.aws import LocalAws
from tests.clouds.aws_backends import KEYS, REGION, Backend
from tests.clouds.lambda_events import EventSource, HttpFront, QueueSource
from tests.clouds.lambda_runtime import Function
from tests.functions.aws.senders import Sender
from tests.providers.ecs.support import BUCKET, CLUSTER, ROLE, furnish

API_KEY = "key-of-the-tests-hunter2"
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

    def count(self, url: str) -> int:
        """Messages in a queue, under way and delayed ones included."""
        names = ["ApproximateNumberOfMessages" + kind for kind in ("", "NotVisible", "Delayed")]
        found = self.backend.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
        return sum(int(found[name]) for name in names)


class World:
    """The functions, and what calls them. `tick` is the timer."""

    def __init__(self, account: Account, cloud: LocalAws, folder: Path, *, sandboxes: int = 1) -> None:
        self.account, self.cloud, self.folder = account, cloud, folder
        self.evidence = folder / "evidence"
        (folder / "work.sh").write_text(evidence.SCRIPT)
        self.store = Store(account.database_url)
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

    def tick(self) -> str:
        """How the timer's invocation ended."""
        return self.functions["schedule"].invoke(TICK).kind

    def ticking(self, every: float, until: Callable[[], bool], seconds: float) -> None:
        """Tick now and then until it is so."""
        end, tick_at = time.monotonic() + seconds, time.monotonic()
        while not until():
            assert time.monotonic() < end, f"not within {seconds:g} s: {self.states()} {self.leftovers()}"
            if time.monotonic() >= tick_at:
                self.tick()
                tick_at = time.monotonic() + every
            time.sleep(0.1)

    def close(self) -> None:
        self.hears = False
        for source in self.sources.values():
            source.close()
        self.events.close()
        for function in self.functions.values():
            function.close()
        self.front.close()
        self.store.close()

    # -- making

    def pool(self, name: str = "cloud", **settings: Any) -> UUID:
        template = skylift_ecs.PROVIDER.base_job_template()
        variables = {"cluster": CLUSTER, "execution_role_arn": ROLE, "secrets_bucket": BUCKET, "cpu": 256}
        for variable, value in {**variables, "aws_credentials": self.cloud.credentials}.items():
            template["variables"]["properties"][variable]["default"] = value
        wanted = WorkPoolCreate(
            name=name, type="ecs:push", base_job_template=template, settings=PoolSettings(**settings)
        )
        made: UUID = self.store.transaction(pools.create, wanted).id
        return made

    def deployment(self, name: str, *, slots: int, every: int = 1, lasts: float = 0.1, after: float = 1.0) -> UUID:
        """A deployment with a schedule of so many slots, from `after` seconds ahead on; none of 0."""
        flow, _ = self.store.transaction(flows.create, FlowCreate(name="flow"))
        start = (datetime.now(UTC) + timedelta(seconds=after)).strftime("%Y%m%dT%H%M%SZ")
        rule = f"DTSTART:{start}\nRRULE:FREQ=SECONDLY;INTERVAL={every};COUNT={slots}"
        wanted = DeploymentCreate.model_validate(
            {
                "name": name,
                "flow_id": flow.id,
                "work_pool_name": "cloud",
                "engine": "command",
                "job_variables": {
                    "env": {"EVIDENCE": str(self.evidence), "LASTS": str(lasts)},
                    "runner": False,
                    "command": f"/bin/sh {self.folder}/work.sh",
                },
                "schedules": [{"schedule": {"rrule": rule}}] if slots else [],
            }
        )
        made: UUID = self.store.transaction(deployments.upsert, wanted)[0].id
        return made

    def function_deployment(self, name: str = "function", *, after: float = 2.0) -> UUID:
        """A plain Python function under the runner, which speaks to the API; due once."""
        (self.folder / "work.py").write_text(evidence.FUNCTION)
        flow, _ = self.store.transaction(flows.create, FlowCreate(name="flow"))
        start = (datetime.now(UTC) + timedelta(seconds=after)).strftime("%Y%m%dT%H%M%SZ")
        wanted = DeploymentCreate.model_validate(
            {
                "name": name,
                "flow_id": flow.id,
                "work_pool_name": "cloud",
                "engine": "python",
                "entrypoint": "work.py:work",
                "path": str(self.folder),
                "job_variables": {"env": {"EVIDENCE": str(self.evidence), "LASTS": "0.1"}},
                "schedules": [{"schedule": {"rrule": f"DTSTART:{start}\nRRULE:FREQ=DAILY;COUNT=1"}}],
            }
        )
        made: UUID = self.store.transaction(deployments.upsert, wanted)[0].id
        return made

    def webhook(self) -> Sender:
        """A webhook, made through the API, whose runs are the same bare command; and whoever sends to it."""
        about = {"name": "orders", "deployment_id": str(self.deployment("by-hook", slots=0))}
        headers = {"Authorization": f"Bearer {API_KEY}"}
        made = httpx.post(f"{self.front.url}/api/skylift/webhooks/", json=about, headers=headers, timeout=60)
        assert made.status_code == 201, made.text
        return Sender(self.front.url + made.json()["path"], made.json()["secret"])

    # -- looking

    def states(self) -> dict[str, int]:
        with self.store.reading() as tx:
            number = func.count().label("number")
            rows = tx.all(select(flow_runs.c.state_name, number).group_by(flow_runs.c.state_name))
        return {row.state_name: row.number for row in rows}

    def completed(self) -> int:
        return self.states().get("Completed", 0)

    def leftovers(self) -> list[str]:
        with self.store.reading() as tx:
            live = tx.all(select(attempts.c.id, attempts.c.phase))
            unclean = tx.all(select(ended_attempts.c.id).where(ended_attempts.c.cleanup_at.is_not(None)))
        return [*(f"attempt {row.id} {row.phase}" for row in live), *(f"unclean {row.id}" for row in unclean)]

    def begun(self) -> dict[str, int]:
        """How often each run's own command began."""
        found: dict[str, int] = {}
        for line in evidence.read(self.evidence):
            if line.word == "start":
                found[line.run] = found.get(line.run, 0) + 1
        return found

    def invocations(self) -> dict[str, int]:
        return {name: len(each.outcomes) for name, each in self.functions.items()}

    def check(self, runs: int) -> None:
        """Nothing lost, nothing doubled, and no message that nobody could deal with."""
        assert self.states() == {"Completed": runs}
        begun = self.begun()
        assert len(begun) == runs
        assert set(begun.values()) == {1}
        assert self.account.count(self.account.dead) == 0


@contextmanager
def open_world(backend: Backend, database_url: str, folder: Path, **options: Any) -> Iterator[World]:
    """With its queues not connected yet."""
    account = Account(backend, database_url)
    with LocalAws(backend, allowed=ALLOWED) as cloud:
        account.furnish(cloud.url)
        world = World(account, cloud, folder, **options)
        try:
            with world.front:
                yield world
        finally:
            world.close()


class Killer:
    """Kills the functions' processes in the midst of their events, one after the other, each at a random moment."""

    def __init__(self, world: World, pause: Callable[[], float], choose: Callable[[int], int]) -> None:
        self.world, self.pause, self.choose = world, pause, choose
        self.kills: dict[str, int] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)

    @property
    def count(self) -> int:
        return sum(self.kills.values())

    def __enter__(self) -> Killer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join(30)

    def _work(self) -> None:
        victims = [(name, box) for name, each in self.world.functions.items() for box in each.sandboxes]
        while not self._stopping.wait(self.pause()):
            name, sandbox = victims[self.choose(len(victims))]
            if sandbox.kill_if_busy():
                self.kills[name] = self.kills.get(name, 0) + 1
