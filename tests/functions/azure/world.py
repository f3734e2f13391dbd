"""A subscription of the local Azure with Skylift's function app in it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from cryptography.fernet import Fernet

import skylift_container_instance
from skylift_functions.azure.platform import CONNECTION, QUEUES, poison
from tests.clouds.azure import LocalAzure
from tests.clouds.azure_functions_host import FunctionApp
from tests.clouds.azure_functions_http import Front
from tests.clouds.azure_functions_queues import QueueListener
from tests.clouds.azurite import Azurite
from tests.functions.aws.senders import Sender
from tests.functions.workload import API_KEY, Workload

ROOT = Path(__file__).parents[3] / "functions" / "skylift_functions" / "azure" / "root"
"""What is at the top of the deployed package."""
DELIVERIES = 20
"""Of one message before it is in the poison queue: killing makes many of them."""
RETRY_AFTER = 1
"""Seconds. Azure's host has more patience, and tests less time."""


class World(Workload):
    """The functions, and what calls them."""

    def __init__(
        self, cloud: LocalAzure, storage: Azurite, database_url: str, folder: Path, *, workers: int = 1
    ) -> None:
        super().__init__(database_url, folder, skylift_container_instance.PROVIDER, cloud.variables())
        self.cloud, self.storage = cloud, storage
        self.service = storage.service()
        for name in QUEUES.values():
            self.service.create_queue(name)
            self.service.create_queue(poison(name))
        env = {
            "SKYLIFT_DATABASE_URL": database_url,
            "SKYLIFT_SECRET_KEY": Fernet.generate_key().decode(),
            "SKYLIFT_API_KEY": API_KEY,
            "SKYLIFT_API_URL": "http://127.0.0.1:1/api",
            CONNECTION: storage.connection_string,
            **cloud.environment(),
        }
        most = {"dispatch": workers, "observe": workers}
        self.app = FunctionApp(ROOT, env, folder, most=most)
        self.front = Front(self.app)
        self.configure({"SKYLIFT_API_URL": f"{self.front.url}/api"})
        self.listeners: dict[str, QueueListener] = {}

    def configure(self, env: Mapping[str, str]) -> None:
        """Settings of the app; of processes that are not there yet."""
        for group in self.app.groups.values():
            for each in group.workers:
                each.env |= env

    def connect_queues(self) -> None:
        for name in self.app.triggered("queueTrigger"):
            self.listeners[name] = QueueListener(self.app, name, self.service, retry_after=RETRY_AFTER, most=DELIVERIES)

    def tick(self) -> None:
        self.app.tick()

    def webhook(self) -> Sender:
        """A webhook, made through the API, whose runs are a bare command; and whoever sends to it."""
        about = {"name": "orders", "deployment_id": str(self.deployment("by-hook", slots=0))}
        headers = {"Authorization": f"Bearer {API_KEY}"}
        made = httpx.post(f"{self.front.url}/api/skylift/webhooks/", json=about, headers=headers, timeout=60)
        assert made.status_code == 201, made.text
        return Sender(self.front.url + made.json()["path"], made.json()["secret"])

    def check(self, runs: int) -> None:
        super().check(runs)
        for name in QUEUES.values():
            assert self.service.get_queue_client(poison(name)).get_queue_properties().approximate_message_count == 0

    def invocations(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for group in self.app.groups.values():
            for function, _ in group.outcomes:
                found[function] = found.get(function, 0) + 1
        return found

    def close(self) -> None:
        for each in self.listeners.values():
            each.close()
        self.app.close()
        self.store.close()


@contextmanager
def open_world(storage: Azurite, database_url: str, folder: Path, **options: Any) -> Iterator[World]:
    with LocalAzure() as cloud:
        cloud.creations = ()  # the pools of these tests say how many launches they want
        world = World(cloud, storage, database_url, folder, **options)
        try:
            with world.front:
                yield world
        finally:
            world.close()


class Killer:
    """Kills the functions' processes in the midst of their invocations, one after the other, at random moments."""

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
        victims = [(name, each) for name, group in self.world.app.groups.items() for each in group.workers]
        while not self._stopping.wait(self.pause()):
            name, worker = victims[self.choose(len(victims))]
            if worker.kill_if_busy():
                self.kills[name] = self.kills.get(name, 0) + 1
