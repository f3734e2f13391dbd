"""The jobs that runs share: made once, known to be ready, and renewed so that a tag means what it means today."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from skylift.provider import BusyError, OutOfCapacity, Rejected
from skylift_cloud_run import request
from skylift_cloud_run.client import Client
from skylift_cloud_run.conditions import fault_of, in_words
from skylift_cloud_run.errors import AlreadyExists, NotFound
from skylift_cloud_run.views import Job, Place, short

RENEWED = 600.0
"""Seconds after which a job is looked at again. Cloud Run finds out what an image's tag means when a job is created or
updated, and keeps to that; so one whose image has no digest is updated then."""
PATIENCE = 20.0
"""Seconds to wait for a job to become ready; it usually takes two."""
PAUSES = (0.05, 0.1, 0.2, 0.4, 0.8)


class SharedJobs:
    """Those that this process has seen ready."""

    def __init__(self) -> None:
        self._seen: dict[str, float] = {}
        self._locks: dict[str, threading.Lock] = {}

    def ensure(
        self, client: Client, place: Place, body: Mapping[str, Any], installation_id: UUID, sending: Callable[[], Any]
    ) -> str:
        """The full name of the job, which is ready to be run. `sending` makes the context of requests that change
        something. Raises `Rejected` where it never will be ready, `BusyError` where it is not yet."""
        job = place.job(request.shared_job_id(body))
        with self._locks.setdefault(job, threading.Lock()):
            if time.monotonic() - self._seen.get(job, float("-inf")) < RENEWED:
                return job
            self._make_ready(client, place, job, request.marked(body, installation_id), sending)
            self._seen[job] = time.monotonic()
        return job

    def forget(self, job: str) -> None:
        """It is not there any more."""
        self._seen.pop(job, None)

    def _make_ready(
        self, client: Client, place: Place, job: str, body: Mapping[str, Any], sending: Callable[[], Any]
    ) -> None:
        try:
            found = client.get_job(job)
        except NotFound:
            with sending():
                _create(client, place, short(job), body)
        else:
            if found.ready.state == "FAILED" or (not request.is_pinned(body) and _age(found) > RENEWED):
                with sending():
                    client.update_job(job, body)
        ready = self._wait(client, job).ready
        if ready.state == "FAILED":
            fault, remedy = fault_of(ready)
            kind = OutOfCapacity if fault == "capacity" else Rejected
            raise kind(f"Cloud Run cannot set the job up: {in_words(ready)}", remedy=remedy)

    @staticmethod
    def _wait(client: Client, job: str) -> Job:
        until, pauses = time.monotonic() + PATIENCE, iter(PAUSES)
        while (found := client.get_job(job)).reconciling or found.ready.state not in ("FAILED", "SUCCEEDED"):
            if time.monotonic() > until:
                raise BusyError("Cloud Run is still setting the job up", retry_after=5.0)
            time.sleep(next(pauses, 1.0))
        return found


def _create(client: Client, place: Place, job_id: str, body: Mapping[str, Any]) -> None:
    try:
        client.create_job(place, job_id, body)
    except AlreadyExists:
        pass  # another was quicker


def _age(job: Job) -> float:
    return (datetime.now(UTC) - job.updated_at).total_seconds() if job.updated_at else 0.0
