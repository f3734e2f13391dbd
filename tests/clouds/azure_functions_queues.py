"""What the local Azure Functions do with queues: poll them, call a function for each message, put aside what failed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from tests.clouds.azure_functions_host import FunctionApp, seconds_of

LEASE = 120
"""Seconds that a message is out of sight while a function works on it. Azure takes 600, and renews them."""


class QueueListener:
    """The host's poller of one queue: one invocation a message; what failed becomes visible again after a while, and
    what failed too often goes into the poison queue."""

    def __init__(
        self,
        app: FunctionApp,
        function: str,
        service: Any,
        *,
        retry_after: int | None = None,
        most: int | None = None,
    ) -> None:
        """`retry_after`, in seconds, and `most` deliveries, where they are not what host.json says: tests have less
        time than Azure, and kill more often."""
        self.app, self.function = app, function
        settings = app.queue_settings
        assert settings["messageEncoding"] == "none", "as the SDK sends them"
        self.name: str = app.functions[function]["queueName"]
        self.queue, self.poison = (service.get_queue_client(each) for each in (self.name, f"{self.name}-poison"))
        self.batch, self.threshold = settings["batchSize"], settings["newBatchThreshold"]
        self.most = most or settings["maxDequeueCount"]
        self.longest = seconds_of(settings["maxPollingInterval"])
        self.retry_after = seconds_of(settings["visibilityTimeout"]) if retry_after is None else retry_after
        self.deliveries: Callable[[], int] = lambda: 1
        """How often the next message is delivered: for tests that lose or repeat some."""
        self._stopping = threading.Event()
        self._under_way: set[threading.Thread] = set()
        self._thread = threading.Thread(target=self._poll, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._stopping.set()
        self._thread.join(30)
        for each in list(self._under_way):
            each.join(60)

    def _poll(self) -> None:
        pause = 0.1
        while not self._stopping.wait(pause):
            self._under_way = {each for each in self._under_way if each.is_alive()}
            if len(self._under_way) > self.threshold:
                pause = 0.05
                continue
            found = list(self.queue.receive_messages(max_messages=self.batch, visibility_timeout=LEASE))
            for message in found:
                thread = threading.Thread(target=self._take, args=(message,), daemon=True)
                self._under_way.add(thread)
                thread.start()
            pause = 0.1 if found else min(self.longest, pause * 2)

    def _take(self, message: Any) -> None:
        metadata = {"Id": message.id, "PopReceipt": message.pop_receipt, "DequeueCount": message.dequeue_count}
        outcomes = [self.app.invoke(self.function, message.content, metadata) for _ in range(self.deliveries())]
        if all(each.kind == "ok" for each in outcomes):
            self.queue.delete_message(message)
        elif message.dequeue_count >= self.most:
            self.poison.send_message(message.content)
            self.queue.delete_message(message)
        else:
            self.queue.update_message(message, visibility_timeout=int(self.retry_after))
