"""The function app's functions in this process: a clock that is moved, and queues that only write down."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import azure.functions as func
import pytest
from azure.functions.timer import TimerRequest

from skylift_functions.azure import api, installation, invocations
from skylift_functions.azure.function_app import app
from skylift_functions.azure.platform import QUEUES
from skylift_functions.azure.wakeups import StorageQueueWakeups
from skylift_functions.deadline import Deadline
from skylift_functions.installation import Installation
from tests.support.installation import Installation as Place

FUNCTIONS = {str(each.get_function_name()): each for each in app.get_functions()}
"""An app tells them once."""
VERBS = {name: verb for verb, name in QUEUES.items()}


@dataclass
class Storage:
    """As much of the SDK's clients as is used."""

    sent: list[tuple[str, dict[str, Any], int]] = field(default_factory=list)
    """Verb, body and delay of each message."""
    lives: list[int] = field(default_factory=list)
    """Seconds."""
    fails: list[Exception] = field(default_factory=list)

    def client(self, name: str) -> Any:
        return Queue(self, VERBS[name])


@dataclass
class Queue:
    storage: Storage
    verb: str

    def send_message(self, text: str, *, visibility_timeout: int, time_to_live: int) -> None:
        if self.storage.fails:
            raise self.storage.fails.pop()
        self.storage.sent.append((self.verb, json.loads(text), visibility_timeout))
        self.storage.lives.append(time_to_live)


class Context:
    """Of an invocation."""

    invocation_id = "of-the-invocation"


def call(function: str, *arguments: Any) -> Any:
    return FUNCTIONS[function].get_user_function()(*arguments)


class Bench:
    """The functions over an installation of the tests."""

    def __init__(self, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
        self.place, self.storage, self.monkeypatch = place, Storage(), monkeypatch
        self.restart()
        monkeypatch.setattr(installation, "installation", lambda: self.here)
        monkeypatch.setattr(api, "installation", lambda: self.here)

    def restart(self) -> None:
        """As another process, which knows nothing of what was sent."""
        wakeups = StorageQueueWakeups(queue=self.storage.client, now=self.place.clock.now)
        self.place.store.wakeups = wakeups
        self.here = Installation(self.place.parts, wakeups)

    def has_left(self, seconds: float) -> None:
        """Every invocation from now on."""
        self.monkeypatch.setattr(invocations, "Deadline", lambda timeout: Deadline(seconds))

    def tick(self) -> None:
        call("schedule", TimerRequest(past_due=False), Context())

    def wake(self, verb: str, body: Mapping[str, Any] | str) -> None:
        """A message from the queue of a verb."""
        text = body if isinstance(body, str) else json.dumps(body)
        name = "schedule_wakeup" if verb == "schedule" else verb
        call(name, func.QueueMessage(id="of-the-message", body=text))

    def flushed(self) -> list[tuple[str, dict[str, Any], int]]:
        """The messages so far, which are then forgotten."""
        self.here.wakeups.flush()
        sent, self.storage.sent = self.storage.sent, []
        return sent


def due_body(pool_id: Any, at: str = "2026-03-01T12:00:00+00:00") -> dict[str, Any]:
    return {"verb": "dispatch", "pool_id": str(pool_id), "at": at}
