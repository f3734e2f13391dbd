"""A project in the local Google with Skylift's functions in it."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from cryptography.fernet import Fernet

import skylift_cloud_run
from skylift_cloud_run.credentials import ENDPOINT
from skylift_functions.gcp import PLATFORM
from tests.clouds.google_functions import Function, Instance
from tests.clouds.google_tasks import LocalGoogleCloud
from tests.functions.workload import API_KEY, Workload
from tests.providers.cloud_run.support import ACCOUNT, DECLARED, IMAGES, PROJECT, REGION

INVOKER = f"skylift-invoker@{PROJECT}.iam.gserviceaccount.com"
OWN = frozenset(name for each in PLATFORM.functions for name in each.permissions)
VERBS = ("dispatch", "observe", "schedule")
VARIABLES = {
    "project": PROJECT,
    "region": REGION,
    "service_account_name": ACCOUNT,
    "image": f"{IMAGES}/etl:1",
}
LONGEST = 60
"""Seconds that a function may take here: less than in Google's cloud, where one may be waited for."""


class World(Workload):
    """The functions, and what calls them. Google's front checks the callers of all but `observe`, which does itself."""

    def __init__(self, cloud: LocalGoogleCloud, database_url: str, folder: Path, *, instances: int = 1) -> None:
        super().__init__(database_url, folder, skylift_cloud_run.PROVIDER, VARIABLES)
        self.cloud = cloud
        self.hears = True
        self.disordered: random.Random | None = None
        """By whose chance events come twice, late and in any order."""
        self.functions: dict[str, Function] = {}
        counts = {"api": 1, "schedule": 1, "dispatch": instances, "observe": 1 + instances}
        for name, most in counts.items():
            self.functions[name] = self._function(name, most)
        self._configure(database_url)
        cloud.listeners.append(self._heard)

    def _function(self, name: str, most: int) -> Function:
        about = PLATFORM.function(name)
        env = {"FUNCTION_USE_ASGI": "true"} if name == "api" else {}
        checked = {} if about.is_public or name == "observe" else {"SKYLIFT_IAM_CHECKED": "true"}
        return Function(
            name,
            env | checked,
            self.folder,
            timeout=min(about.timeout, LONGEST),
            most=most,
            concurrency=about.concurrency,
            callers=frozenset([INVOKER]) if checked else None,
            tokens=self.cloud.signing,
        )

    def _configure(self, database_url: str) -> None:
        secrets, references = {"database-url": database_url, "api-key": API_KEY}, {}
        for name, value in {**secrets, "secret-key": Fernet.generate_key().decode()}.items():
            self.cloud.secrets.put(PROJECT, f"skylift-{name}", value)
            variable = f"SKYLIFT_{name.upper().replace('-', '_')}_FROM"
            references[variable] = f"projects/{PROJECT}/secrets/skylift-{name}/versions/latest"
        env = {
            **references,
            ENDPOINT: self.cloud.url,
            "SKYLIFT_API_URL": f"{self.functions['api'].url}/api",
            "SKYLIFT_INVOKER": INVOKER,
        }
        for verb in VERBS:
            queue = f"projects/{PROJECT}/locations/{REGION}/queues/skylift-{verb}"
            self.cloud.tasks.add_queue(queue)
            env |= {f"SKYLIFT_QUEUE_{verb.upper()}": queue, f"SKYLIFT_URL_{verb.upper()}": self.functions[verb].url}
        for function in self.functions.values():
            for instance in function.instances:
                instance.env |= env

    def open(self) -> None:
        for each in self.functions.values():
            each.__enter__()

    def close(self) -> None:
        self.hears = False
        self.cloud.tasks.close()
        for each in self.functions.values():
            each.close()
        self.store.close()

    # -- what calls

    def post(self, name: str, body: Any = None, *, who: str = INVOKER) -> httpx.Response:
        """A request as Google makes it for whoever may call."""
        url = self.functions[name].url
        headers = {"Authorization": f"Bearer {self.cloud.signing.token(who, url)}"}
        content = json.dumps(body).encode() if body else b""
        return httpx.post(url, content=content, headers=headers, timeout=120)

    @property
    def address(self) -> str:
        return self.functions["api"].url

    @property
    def victims(self) -> dict[str, list[Instance]]:
        return {name: each.instances for name, each in self.functions.items()}

    def tick(self) -> None:
        self.post("schedule")

    def _heard(self, event: dict[str, Any]) -> None:
        """As a Pub/Sub push subscription: again until it is taken."""
        for _ in range(self.disordered.choice((1, 2)) if self.disordered else 1):
            late = self.disordered.uniform(0, 3) if self.disordered and self.disordered.random() < 0.5 else 0.0
            threading.Timer(late, self._push, (event,)).start()

    def _push(self, event: dict[str, Any]) -> None:
        for _ in range(5):
            try:
                if not self.hears or self.post("observe", event).status_code < 300:
                    return
            except httpx.HTTPError:
                pass

    # -- looking

    def check(self, runs: int) -> None:
        super().check(runs)
        assert [task.body for each in self.cloud.tasks.queues.values() for task in each.failed] == []

    def invocations(self) -> dict[str, int]:
        return {name: len(each.codes) for name, each in self.functions.items()}


@contextmanager
def open_world(database_url: str, folder: Path, **options: Any) -> Iterator[World]:
    with LocalGoogleCloud() as cloud:
        cloud.allowed, cloud.run.stop_grace = DECLARED | OWN, 1.0
        world = World(cloud, database_url, folder, **options)
        try:
            world.open()
            yield world
        finally:
            world.close()
