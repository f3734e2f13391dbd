"""Wakeups by Cloud Tasks: a queue for each verb, whose tasks are posted to the verb's function at their very instant.

A task that lies ahead is named after what it says, so that of many that want the same at the same time one is made,
whichever process they come from. One whose time has come has no name: an equal one may have been carried out already,
before that was written which this one is about. (Cloud Tasks keeps a name for up to a day after its task is gone.)
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from skylift.extras import sdk
from skylift.threads import Threads
from skylift_functions.delay_queue import DelayQueue, Message
from skylift_functions.messages import from_text

NAMED_FROM = 2
"""Seconds ahead: clocks differ."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where the tasks of a queue go, and as whom."""

    queue: str
    url: str
    invoker: str
    deadline: int
    """Seconds until Cloud Tasks calls an attempt failed."""


class TasksWakeups(DelayQueue):
    """See `skylift.wakeups.Wakeups`."""

    def __init__(
        self,
        targets: Mapping[str, Target],
        *,
        client: Callable[[], Any] = lambda: _sdk().tasks(),
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`targets`: by verb."""
        super().__init__(now)
        self._targets, self._client = targets, client

    def hand_over(self, verb: str, messages: list[Message]) -> str | None:
        client, target = self._client(), self._targets[verb]
        if len(messages) == 1:
            return self._create(client, target, messages[0])
        with Threads(len(messages), "tasks") as threads:
            reasons = list(threads.map(lambda each: self._create(client, target, each), messages))
        return next(filter(None, reasons), None)

    def _create(self, client: Any, target: Target, message: Message) -> str | None:
        request = {"parent": target.queue, "task": task_of(target, *message)}
        try:
            client.create_task(request, retry=None, timeout=_sdk().TIMEOUT)
        except sdk("google.api_core.exceptions", extra="gcp").Conflict:
            return None  # one of this name is there, or was: the REST transport has no narrower word for it
        except Exception as error:
            return self.code_of(error)
        return None

    def code_of(self, error: Exception) -> str:
        return str(_sdk().code_of(error))


def _sdk() -> Any:
    """Imported when there is something to send: most events send nothing."""
    from skylift_functions.gcp import sdk as clients

    return clients


def task_of(target: Target, text: str, delay: int) -> dict[str, Any]:
    """As Cloud Tasks wants it."""
    post = {
        "http_method": "POST",
        "url": target.url,
        "headers": {"Content-Type": "application/json"},
        "body": text.encode(),
        "oidc_token": {"service_account_email": target.invoker, "audience": target.url},
    }
    made: dict[str, Any] = {"http_request": post, "dispatch_deadline": {"seconds": target.deadline}}
    if delay:
        made["schedule_time"] = from_text(text)[1]
    if delay >= NAMED_FROM:
        made["name"] = f"{target.queue}/tasks/{hashlib.sha256(text.encode()).hexdigest()[:40]}"
    return made
