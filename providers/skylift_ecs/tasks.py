"""Finding attempts' tasks in the account: by handle, a hundred at a time; without one by what they were started by."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Sequence
from itertools import islice
from uuid import UUID

from skylift.provider import Watched
from skylift_ecs.client import PAGE, EcsClient, Task
from skylift_ecs.request import attempt_of, started_by

STOPPED_PAGES = 50
"""Pages of stopped tasks that are looked through for attempts without a handle: an hour's worth in most clusters."""
SETTLE = 10.0
"""Seconds for which a task that DescribeTasks does not know is not believed to be gone: it may not have heard yet of
one that was just launched (ECS's answers are "eventually consistent")."""


class Missing:
    """When this process first missed which task."""

    def __init__(self, settle: float = SETTLE) -> None:
        self.settle = settle
        self._lock = threading.Lock()
        self._since: dict[str, float] = {}

    def is_gone(self, arn: str) -> bool:
        """Called with one that was just missed: whether that has lasted for long enough."""
        now = time.monotonic()
        with self._lock:
            if len(self._since) > 10_000:
                self._since = {key: at for key, at in self._since.items() if now - at < 3600}
            return now - self._since.setdefault(arn, now) >= self.settle


def describe(client: EcsClient, cluster: str, arns: Iterable[str], *, tags: bool = False) -> list[Task]:
    """As many calls as there are hundreds."""
    rest, found = iter(dict.fromkeys(arns)), list[Task]()
    while batch := list(islice(rest, PAGE)):
        found += client.describe_tasks(cluster, batch, tags=tags)
    return found


def find(client: EcsClient, cluster: str, wanted: Sequence[Watched]) -> tuple[dict[UUID, Task], set[UUID]]:
    """Tasks of attempts whose handle is not known, and those attempts of which it is not certain that there is none."""
    pages = (client.list_tasks(cluster, started_by=started_by(one.attempt_id)) for one in wanted)
    arns = [arn for of_one in pages for page in of_one for arn in page]
    found = _by_attempt(describe(client, cluster, arns))
    missing = {one.attempt_id for one in wanted} - set(found)
    if not missing:
        return found, set()
    # A list by `startedBy` leaves out what is to stop or has stopped, and takes no other filter beside.
    seen = 0
    for page in client.list_tasks(cluster, stopped=True, pages=STOPPED_PAGES):
        seen += 1
        stopped = _by_attempt(client.describe_tasks(cluster, page)) if page else {}
        found |= {each: task for each, task in stopped.items() if each in missing}
        missing -= set(stopped)
        if not missing:
            break
    return found, missing if seen >= STOPPED_PAGES else set()


def running(client: EcsClient, cluster: str) -> list[Task]:
    """Everything in the cluster that is to run, with its tags."""
    return [
        task for page in client.list_tasks(cluster) if page for task in client.describe_tasks(cluster, page, tags=True)
    ]


def _by_attempt(tasks: Iterable[Task]) -> dict[UUID, Task]:
    return {attempt: task for task in tasks if (attempt := attempt_of(task))}
