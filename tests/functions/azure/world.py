"""A subscription of the local Azure with Skylift's function app in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet

import skylift_container_instance
from skylift.wakeups import Schedule
from skylift_functions.azure.platform import CONNECTION, QUEUES, poison
from skylift_functions.messages import to_text
from tests.clouds.azure import LocalAzure
from tests.clouds.azure_functions_host import FunctionApp, Worker
from tests.clouds.azure_functions_http import Front
from tests.clouds.azure_functions_queues import QueueListener
from tests.clouds.azurite import Azurite
from tests.functions.workload import API_KEY, Workload

ROOT = Path(__file__).parents[3] / "functions" / "skylift_functions" / "azure" / "root"
"""What is at the top of the deployed package."""
DELIVERIES = 20
"""Of one message before it is in the poison queue: killing makes many of them."""
RETRY_AFTER = 1
"""Seconds. Azure's host has more patience, and tests less time."""


@dataclass(frozen=True, slots=True)
class Victim:
    """A worker as far as it is at one function's work."""

    worker: Worker
    function: str

    @property
    def is_busy(self) -> bool:
        return self.worker.is_busy_with(self.function)

    def kill_if_busy(self) -> bool:
        is_busy = self.is_busy
        if is_busy:
            self.worker.kill()
        return is_busy


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

    @property
    def address(self) -> str:
        return self.front.url

    @property
    def victims(self) -> dict[str, list[Victim]]:
        return {name: [Victim(each, name) for each in self.app.group_of(name).workers] for name in self.app.functions}

    def tick(self) -> None:
        self.app.tick()

    def continue_schedules(self) -> None:
        """By a wakeup."""
        queue = self.service.get_queue_client(QUEUES["schedule"])
        queue.send_message(to_text(Schedule(), datetime.now(UTC)))

    def tell_of_groups(self) -> None:
        """Event Grid's word that the container groups that there are have been written."""
        about = {"eventType": "Microsoft.Resources.ResourceWriteSuccess", "topic": "t", "dataVersion": "2"}
        for each in self.cloud.left():
            at = datetime.now(UTC).isoformat()
            self.app.deliver({**about, "id": each, "subject": each, "eventTime": at, "data": {}})

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
