"""The handlers in this process: a clock that is moved, and a queue that only writes down what it is given."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import pytest

from skylift_functions.aws.wakeups import SqsWakeups
from skylift_functions.installation import Installation
from tests.support.installation import Installation as Place

VERBS = ("dispatch", "observe", "schedule")
FUNCTIONS = (*VERBS, "trigger")


@dataclass
class Queue:
    """As much of the SDK's client as is used."""

    sent: list[tuple[str, dict[str, Any], int]] = field(default_factory=list)
    """Verb, body and delay of each message."""
    fails: list[Exception] = field(default_factory=list)

    def send_message_batch(self, *, QueueUrl: str, Entries: list[Mapping[str, Any]]) -> dict[str, Any]:  # noqa: N803
        if self.fails:
            raise self.fails.pop()
        self.sent += [(QueueUrl, json.loads(each["MessageBody"]), each["DelaySeconds"]) for each in Entries]
        return {"Successful": [{"Id": each["Id"]} for each in Entries]}


@dataclass
class Context:
    """Of an invocation that has so many seconds left."""

    left: float = 120.0
    aws_request_id: str = "request"
    function_name: str = "function"
    memory_limit_in_mb: str = "512"
    invoked_function_arn: str = "arn:aws:lambda:eu-central-1:000000000000:function:f"

    def get_remaining_time_in_millis(self) -> int:
        return int(self.left * 1000)


class Bench:
    """The functions over an installation of the tests."""

    def __init__(self, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
        self.place, self.queue = place, Queue()
        self.restart()
        for verb in FUNCTIONS:
            monkeypatch.setattr(import_module(f"skylift_functions.aws.{verb}"), "installation", lambda: self.here)

    def restart(self) -> None:
        """As another process, which knows nothing of what was sent."""
        wakeups = SqsWakeups({verb: verb for verb in VERBS}, sqs=lambda: self.queue, now=self.place.clock.now)
        self.place.store.wakeups = wakeups
        self.here = Installation(self.place.parts, wakeups)

    def call(self, verb: str, event: Mapping[str, Any], *, left: float = 120.0) -> Any:
        """Invoke a function that has so many seconds left."""
        return import_module(f"skylift_functions.aws.{verb}").handler(event, Context(left))

    def flushed(self) -> list[tuple[str, dict[str, Any], int]]:
        """The messages so far, which are then forgotten."""
        self.here.wakeups.flush()
        sent, self.queue.sent = self.queue.sent, []
        return sent


def batch(*bodies: Mapping[str, Any] | str) -> dict[str, Any]:
    """Messages as Lambda hands them over; their ids are their numbers, from 0."""
    return {
        "Records": [
            {
                "messageId": str(number),
                "receiptHandle": str(number),
                "body": body if isinstance(body, str) else json.dumps(body),
                "eventSource": "aws:sqs",
            }
            for number, body in enumerate(bodies)
        ]
    }


def due_body(pool_id: Any, at: str = "2026-03-01T12:00:00+00:00") -> dict[str, Any]:
    return {"verb": "dispatch", "pool_id": str(pool_id), "at": at}
