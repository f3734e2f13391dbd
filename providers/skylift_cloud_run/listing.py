"""Which executions a shared job has, by attempt: one listing serves all launches of a moment.

An execution carries no label and no token of the run that it is for, only its variables. To know whether an attempt was
launched before, its job's executions have to be listed. A listing that is a little old is as good: what this process
begins is added, what it may have begun without hearing of it makes the listing void, and another process launches an
attempt only when its lease has run out, which takes far longer than a listing is kept.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from skylift_cloud_run.errors import NotFound
from skylift_cloud_run.request import ATTEMPT_VARIABLE
from skylift_cloud_run.views import Execution, attempt_of

KEPT = 2.0
"""Seconds."""


@dataclass
class Listing:
    """One job's."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    taken_at: float = float("-inf")
    begun: dict[UUID, list[str]] = field(default_factory=dict)


class Listings:
    """Of all jobs that this process launches with."""

    def __init__(self) -> None:
        self._listings: dict[str, Listing] = {}

    def find(self, job: str, attempt_id: UUID, fetch: Callable[[str], Sequence[Execution]]) -> list[str]:
        """The names of this attempt's executions, the oldest first."""
        listing = self._listings.setdefault(job, Listing())
        with listing.lock:
            asked_at = time.monotonic()
            if asked_at - listing.taken_at > KEPT:
                listing.begun = {key: [each.name for each in group] for key, group in by_attempt(fetch(job)).items()}
                listing.taken_at = asked_at
            return list(listing.begun.get(attempt_id, []))

    def add(self, job: str, attempt_id: UUID, execution: str) -> None:
        """What was just begun."""
        listing = self._listings.setdefault(job, Listing())
        with listing.lock:
            listing.begun.setdefault(attempt_id, []).append(execution)

    def forget(self, job: str) -> None:
        """Something may have begun that nobody told of."""
        listing = self._listings.setdefault(job, Listing())
        with listing.lock:
            listing.taken_at = float("-inf")


def by_attempt(executions: Sequence[Execution]) -> dict[UUID, list[Execution]]:
    """Ours among them, the oldest first."""
    found: dict[UUID, list[Execution]] = {}
    for each in sorted(executions, key=lambda one: (str(one.created_at), one.name)):
        attempt_id = attempt_of(each, ATTEMPT_VARIABLE)
        if attempt_id:
            found.setdefault(attempt_id, []).append(each)
    return found


def or_none(fetch: Callable[[str], Sequence[Execution]]) -> Callable[[str], Sequence[Execution]]:
    """A job that is not there has no executions."""

    def fetched(job: str) -> Sequence[Execution]:
        try:
            return fetch(job)
        except NotFound:
            return []

    return fetched
