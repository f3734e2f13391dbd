"""The handlers in this process, under the framework's own application: a clock that is moved, and a client of Cloud
Tasks that only writes down what it is given."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from functions_framework import create_app

from skylift_functions.gcp import requests
from skylift_functions.gcp.platform import PLATFORM
from skylift_functions.gcp.wakeups import Target, TasksWakeups
from skylift_functions.installation import Installation
from tests.clouds.google_functions import SOURCE
from tests.clouds.google_tokens import Tokens, without_signature
from tests.support.installation import Installation as Place

VERBS = ("dispatch", "observe", "schedule")
INVOKER = "invoker@acme.iam.gserviceaccount.com"
TOKENS = Tokens()
TARGETS = {verb: Target(f"queues/{verb}", f"https://{verb}", INVOKER, 120) for verb in VERBS}
Sent = tuple[str, dict[str, Any], Mapping[str, Any]]
"""Verb, body and task."""


@dataclass
class Client:
    """As much of the SDK's client as is used."""

    sent: list[Sent] = field(default_factory=list)
    fails: list[Exception] = field(default_factory=list)

    def create_task(self, request: Mapping[str, Any], *, retry: None, timeout: float) -> None:
        if self.fails:
            raise self.fails.pop()
        task = request["task"]
        self.sent.append((request["parent"].rpartition("/")[2], json.loads(task["http_request"]["body"]), task))


class Bench:
    """The functions over an installation of the tests."""

    def __init__(self, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
        self.place, self.client, self.monkeypatch = place, Client(), monkeypatch
        self.restart()
        monkeypatch.setattr(requests, "installation", lambda verb: self.here)
        monkeypatch.setenv("SKYLIFT_INVOKER", INVOKER)
        monkeypatch.setenv("SKYLIFT_IAM_CHECKED", "true")
        for verb, target in TARGETS.items():
            monkeypatch.setenv(f"SKYLIFT_URL_{verb.upper()}", target.url)
        make: Any = create_app
        self._apps = {verb: make(verb, str(SOURCE), "http").test_client() for verb in VERBS}

    def restart(self) -> None:
        """As another process, which knows nothing of what was sent."""
        wakeups = TasksWakeups(TARGETS, client=lambda: self.client, now=self.place.clock.now)
        self.place.store.wakeups = wakeups
        self.here = Installation(self.place.parts, wakeups)

    def call(self, verb: str, body: Any = b"", *, left: float | None = None, token: str | None = None) -> Any:
        """Invoke a function that has so many seconds left, as the invoker."""
        seconds = PLATFORM.function(verb).timeout if left is None else left
        self.monkeypatch.setenv("CLOUD_RUN_TIMEOUT_SECONDS", str(seconds))
        shown = without_signature(TOKENS.token(INVOKER, f"https://{verb}")) if token is None else token
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {shown}"} if shown else {}
        return self._apps[verb].post("/", data=content, headers=headers)

    def flushed(self) -> list[Sent]:
        """The tasks so far, which are then forgotten."""
        self.here.wakeups.flush()
        sent, self.client.sent = self.client.sent, []
        return sent


def due_body(pool_id: Any, at: str = "2026-03-01T12:00:00+00:00") -> dict[str, Any]:
    return {"verb": "dispatch", "pool_id": str(pool_id), "at": at}


def delay_of(task: Mapping[str, Any], now: datetime) -> float:
    at = task.get("schedule_time", now)
    assert at.tzinfo == UTC
    return float((at - now).total_seconds())
