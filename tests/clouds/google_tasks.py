"""Cloud Tasks of the local Google: tasks are posted at their time, as whom they say, again where that fails.

By cloud.google.com/tasks/docs: a name can be had once, also after its task is gone; nothing is kept for longer than 30
days; every answer but 2xx, and none within the deadline, is tried again up to the queue's attempts.
"""

from __future__ import annotations

import base64
import heapq
import itertools
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from tests.clouds import google
from tests.clouds.google import Handler, LocalGoogle
from tests.clouds.google_errors import ApiError
from tests.clouds.google_execution import time_of
from tests.clouds.google_tokens import Tokens
from tests.clouds.http_cloud import Answer, Request

Params = dict[str, str]
FURTHEST = timedelta(days=30)
QUEUES = "cloudtasks.projects.locations.queues"
google.PERMISSIONS.update(
    {
        f"{QUEUES}.get": "cloudtasks.queues.get",
        f"{QUEUES}.tasks.create": "cloudtasks.tasks.create",
        "secretmanager.projects.secrets.versions.access": "secretmanager.versions.access",
    }
)


@dataclass
class Task:
    """One that waits, or is being tried."""

    name: str
    body: dict[str, Any]
    at: datetime
    tries: int = 0

    @property
    def queue(self) -> str:
        return self.name.partition("/tasks/")[0]

    @property
    def deadline(self) -> float:
        return float(str(self.body.get("dispatchDeadline", "600s")).removesuffix("s"))


@dataclass
class Queue:
    """`min_backoff` in seconds; it doubles up to `max_backoff`."""

    max_attempts: int = 30
    min_backoff: float = 0.2
    max_backoff: float = 5.0
    at_once: int = 8
    names: set[str] = field(default_factory=set)
    """All that ever were."""
    failed: list[Task] = field(default_factory=list)
    """Those that were given up."""
    done: int = 0


class Tasks:
    """All queues, and the one thread that knows what time it is."""

    def __init__(self, tokens: Tokens) -> None:
        self.tokens = tokens
        self.queues: dict[str, Queue] = {}
        self.copies: Callable[[Task], int] = lambda task: 1
        """How often a task is delivered: for tests that lose or repeat some."""
        self._heap: list[tuple[float, int, Task]] = []
        self._numbers = itertools.count()
        self._change = threading.Condition()
        self._under_way = 0
        self._closed = False
        self._http = httpx.Client(timeout=600, limits=httpx.Limits(max_keepalive_connections=0))
        self._threads: dict[str, ThreadPoolExecutor] = {}
        threading.Thread(target=self._work, daemon=True).start()

    def close(self) -> None:
        with self._change:
            self._closed = True
            self._change.notify_all()
        for each in self._threads.values():
            each.shutdown(wait=False, cancel_futures=True)
        self._http.close()

    @property
    def waiting(self) -> int:
        with self._change:
            return len(self._heap) + self._under_way

    def add_queue(self, name: str, **options: Any) -> None:
        self.queues[name] = Queue(**options)
        self._threads[name] = ThreadPoolExecutor(self.queues[name].at_once)

    def queues_get(self, params: Params, query: Params, body: Any) -> dict[str, Any]:
        self._queue(params["name"])
        return {"name": params["name"], "state": "RUNNING"}

    def create(self, params: Params, query: Params, body: dict[str, Any]) -> dict[str, Any]:
        queue = self._queue(params["parent"])
        told = body.get("task", {})
        made = _checked(params["parent"], told)
        with self._change:
            if made.name in queue.names:
                raise ApiError(
                    409, "ALREADY_EXISTS", "The task cannot be created because a task with this name existed"
                )
            queue.names.add(made.name)
        self._plan(made, made.at.timestamp())
        shown = {each: told["httpRequest"][each] for each in ("url", "httpMethod") if each in told["httpRequest"]}
        return {"name": made.name, "scheduleTime": time_of(made.at), "httpRequest": shown}

    def _queue(self, name: str) -> Queue:
        if name not in self.queues:
            raise ApiError(404, "NOT_FOUND", "Requested entity was not found: queue does not exist.")
        return self.queues[name]

    def _plan(self, task: Task, at: float) -> None:
        with self._change:
            heapq.heappush(self._heap, (at, next(self._numbers), task))
            self._change.notify_all()

    def _work(self) -> None:
        while True:
            with self._change:
                while not self._closed and (not self._heap or self._heap[0][0] > time.time()):
                    self._change.wait(self._heap[0][0] - time.time() if self._heap else None)
                if self._closed:
                    return
                task = heapq.heappop(self._heap)[2]
                copies = self.copies(task) if not task.tries else 1
                self._under_way += copies
            for _ in range(copies):
                self._threads[task.queue].submit(self._try, task)

    def _try(self, task: Task) -> None:
        queue, code = self.queues[task.queue], 0
        try:
            code = self._post(task)
        except httpx.HTTPError:
            pass  # nobody is there, or not in time
        finally:
            task.tries += 1
            with self._change:
                queue.done += 200 <= code < 300
            if not (200 <= code < 300 or self._closed):
                if task.tries >= queue.max_attempts:
                    queue.failed.append(task)
                else:
                    pause = min(queue.max_backoff, queue.min_backoff * 2 ** (task.tries - 1))
                    self._plan(task, time.time() + pause)
            with self._change:
                self._under_way -= 1

    def _post(self, task: Task) -> int:
        wanted = task.body["httpRequest"]
        headers = {
            **wanted.get("headers", {}),
            "X-CloudTasks-QueueName": task.queue.rpartition("/")[2],
            "X-CloudTasks-TaskName": task.name.rpartition("/")[2],
            "X-CloudTasks-TaskRetryCount": str(task.tries),
            "X-CloudTasks-TaskETA": f"{task.at.timestamp():.6f}",
            "User-Agent": "Google-Cloud-Tasks",
        }
        if who := wanted.get("oidcToken"):
            token = self.tokens.token(who["serviceAccountEmail"], who.get("audience") or wanted["url"])
            headers["Authorization"] = f"Bearer {token}"
        content = base64.b64decode(wanted.get("body", ""))
        method = wanted.get("httpMethod", "POST")
        return self._http.request(
            method, wanted["url"], content=content, headers=headers, timeout=task.deadline
        ).status_code


def _checked(queue: str, told: dict[str, Any]) -> Task:
    """Raises `ApiError` (400) as Cloud Tasks does."""
    if not told.get("httpRequest", {}).get("url", "").startswith(("http://", "https://")):
        raise ApiError(400, "INVALID_ARGUMENT", "HttpRequest.url must start with 'http://' or 'https://'")
    now = datetime.now(UTC)
    at = datetime.fromisoformat(told["scheduleTime"]) if "scheduleTime" in told else now
    if at > now + FURTHEST:
        raise ApiError(400, "INVALID_ARGUMENT", "The Task.scheduleTime is too far in the future.")
    name = told.get("name") or f"{queue}/tasks/{uuid.uuid4().int % 10**19}"
    if not name.startswith(f"{queue}/tasks/"):
        raise ApiError(400, "INVALID_ARGUMENT", "Task.name must be of the queue that it is created in")
    made = Task(name, told, max(at, now))
    if not 15 <= made.deadline <= 1800:
        raise ApiError(400, "INVALID_ARGUMENT", "Task.dispatchDeadline must be between [15s, 30m].")
    return made


class LocalGoogleCloud(LocalGoogle):
    """The local Google with what Skylift's own functions need besides: tasks, secrets to be read, tokens."""

    def __init__(self) -> None:
        self.signing = Tokens()
        self.tasks = Tasks(self.signing)
        super().__init__()

    def close(self) -> None:
        self.tasks.close()
        super().close()

    def answer(self, request: Request) -> Answer:
        if request.path == "/oauth2/v1/certs":
            return Answer(200, self.signing.certificates)
        return super().answer(request)

    def _all_handlers(self) -> dict[str, Handler]:
        return super()._all_handlers() | {
            f"{QUEUES}.get": self.tasks.queues_get,
            f"{QUEUES}.tasks.create": self.tasks.create,
            "secretmanager.projects.secrets.versions.access": self._access,
        }

    def _access(self, params: Params, query: Params, body: Any) -> dict[str, Any]:
        version = self.secrets.versions_get(params, query, body)["name"]
        secret, _, number = version.partition("/versions/")
        value = self.secrets.all[secret].versions[int(number) - 1]
        return {"name": version, "payload": {"data": base64.b64encode(value.encode()).decode()}}
