"""What became of attempts, and ending them. One listing of a job, or of a region's jobs, answers for many."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from uuid import UUID

from skylift.provider import Observation, ProviderError, Rejected, Unreachable, Watched
from skylift.threads import Threads
from skylift_cloud_run.client import Client
from skylift_cloud_run.conditions import best_of, observe, observe_job
from skylift_cloud_run.errors import NotFound
from skylift_cloud_run.listing import by_attempt, or_none
from skylift_cloud_run.place import Target, find
from skylift_cloud_run.views import Execution, Job, Task

FEW = 3
"""So many are asked about one by one; more by a listing."""
THREADS = 8
GONE = Observation("gone")
Answers = dict[UUID, Observation]


class Observer:
    """Asks Cloud Run; keeps nothing."""

    def status(self, watched: Sequence[Watched]) -> Mapping[UUID, Observation]:
        """Those that could not be asked about are left out. Raises `Unreachable` where that is all of them."""
        found, trouble = Answers(), list[ProviderError]()
        alone: defaultdict[tuple[Client, str], list[Target]] = defaultdict(list)
        shared: defaultdict[tuple[Client, str], list[Target]] = defaultdict(list)
        for one in watched:
            try:
                client, target = find(one)
            except ProviderError as error:
                trouble.append(error)
                continue
            if target.is_alone:
                alone[client, target.place.parent].append(target)
            else:
                shared[client, target.job].append(target)
        for (client, job), targets in shared.items():
            _collect(found, trouble, partial(_of_shared, client, job, targets))
        for (client, _), targets in alone.items():
            _collect(found, trouble, partial(_of_alone, client, targets, trouble))
        if trouble and not found:
            raise Unreachable(str(trouble[0]), remedy=trouble[0].remedy) from None
        return found

    def executions(self, watched: Watched) -> tuple[Client, Target, list[Execution]]:
        """All executions of an attempt, the oldest first."""
        client, target = find(watched)
        if target.is_alone:
            return client, target, list(filter(None, [get(client, target.execution)]))
        found = by_attempt(or_none(client.list_executions)(target.job)).get(watched.attempt_id, [])
        if target.execution and target.execution not in [each.name for each in found]:
            found += filter(None, [get(client, target.execution)])
        return client, target, found

    def stop(self, watched: Watched) -> None:
        client, target, executions = self.executions(watched)
        for each in executions:
            if not each.is_over:
                _cancel(client, each.name)
        if target.is_alone and not executions:
            try:  # its execution is yet to begin, and must not
                client.delete_job(target.job)
            except NotFound:
                pass


def _collect(found: Answers, trouble: list[ProviderError], ask: Callable[[], Answers]) -> None:
    try:
        found.update(ask())
    except ProviderError as error:
        trouble.append(error)


def _of_shared(client: Client, job: str, targets: Sequence[Target]) -> Answers:
    found = Answers()
    if len(targets) <= FEW:  # what runs, runs; of what is over there may be another execution
        for each in targets:
            execution = get(client, each.execution)
            if execution and not execution.is_over:
                found[each.attempt_id] = observe(execution, list)
    left = [each for each in targets if each.attempt_id not in found]
    listed = by_attempt(or_none(client.list_executions)(job)) if left else {}
    for each in left:
        executions = listed.get(each.attempt_id) or list(filter(None, [get(client, each.execution)]))
        seen = [observe(one, partial(tasks_of, client, one)) for one in executions]
        found[each.attempt_id] = best_of(seen) if seen else GONE
    return found


def _of_alone(client: Client, targets: Sequence[Target], trouble: list[ProviderError]) -> Answers:
    found, jobs = Answers(), dict[str, Job]()
    if len(targets) > FEW:
        jobs = {each.name: each for each in client.list_jobs(targets[0].place)}
    left = []
    for each in targets:
        latest = jobs[each.job].latest_status if each.job in jobs else ""
        if latest in ("RUNNING", "PENDING"):
            found[each.attempt_id] = Observation("running" if latest == "RUNNING" else "starting", each.execution)
        else:
            left.append(each)

    def ask(target: Target) -> None:
        try:
            found[target.attempt_id] = of_one(client, target)
        except ProviderError as error:
            trouble.append(error)

    if len(left) == 1:
        ask(left[0])
    elif left:
        with Threads(min(THREADS, len(left)), "cloud-run") as threads:
            list(threads.map(ask, left))
    return found


def get(client: Client, execution: str | None) -> Execution | None:
    """None where it is not there."""
    try:
        return client.get_execution(execution) if execution else None
    except NotFound:
        return None


def tasks_of(client: Client, execution: Execution) -> list[Task]:
    try:
        return client.list_tasks(execution.name)
    except NotFound:
        return []


def of_one(client: Client, target: Target) -> Observation:
    """An attempt with a job of its own."""
    for _ in range(2):
        execution = get(client, target.execution)
        if execution:
            return observe(execution, partial(tasks_of, client, execution))
        try:
            seen = observe_job(client.get_job(target.job))
        except NotFound:
            return GONE
        if seen.phase != "gone":
            return replace(seen, handle=target.execution)
    return GONE  # the job is ready, which it is only once it has begun; so its execution was deleted


def _cancel(client: Client, execution: str) -> None:
    """What is over, or not there, needs no cancelling."""
    try:
        client.cancel_execution(execution)
    except NotFound:
        pass
    except Rejected:
        now = get(client, execution)
        if now and not now.is_over:
            raise
