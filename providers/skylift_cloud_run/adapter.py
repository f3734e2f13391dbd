"""The `cloud-run:push` and `cloud-run-v2:push` provider: flow runs as executions of Cloud Run jobs.

Under the runner runs share a job, and an attempt is found by the variables of the job's executions; admission lets one
container in, should two have begun. A bare command has a job of its own (see `request`).
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from skylift.provider import Finding, Heard, Launch, Observation, ProviderError, Quota, TooLate, Unreachable, Watched
from skylift_cloud_run import check, events, limits, links, output, request, run_secrets
from skylift_cloud_run.client import Client
from skylift_cloud_run.configuration import Configuration, read_configuration
from skylift_cloud_run.errors import AlreadyExists, NotFound, only_unreachable
from skylift_cloud_run.listing import Listings, or_none
from skylift_cloud_run.place import client_and_place, target_of
from skylift_cloud_run.shared_jobs import SharedJobs
from skylift_cloud_run.status import Observer
from skylift_cloud_run.strays import Strays
from skylift_cloud_run.transport import checked_by
from skylift_cloud_run.views import Place, own_execution

STRIPES = 64


class CloudRunProvider:
    """Runs flow runs as executions of jobs in Google Cloud Run."""

    description = "Runs each flow run as an execution of a job in Google Cloud Run, in your own project."
    call_timeout = 30.0
    look_every = 5.0
    python = "python3"
    stops_softly = True
    remembers_stops = False
    logs_settle = 5.0
    """Seconds after an execution's end until which its last lines may still be on their way to Cloud Logging."""

    def __init__(self, type: str, display_name: str, template: str) -> None:  # noqa: A002
        """`template`: the name of the file with the default base job template."""
        self.type, self.display_name, self._template = type, display_name, template
        self._listings, self._shared = Listings(), SharedJobs()
        self._observer, self._strays = Observer(), Strays()
        self._stripes = [threading.Lock() for _ in range(STRIPES)]

    def base_job_template(self) -> dict[str, Any]:
        template: dict[str, Any] = json.loads((Path(__file__).parent / self._template).read_text())
        return template

    def quota(self, configuration: Mapping[str, Any]) -> Quota | None:
        return limits.quota(configuration)

    # -- launch --------------------------------------------------------------------------------------------------------

    def launch(self, launch: Launch) -> str:
        configuration = read_configuration(launch.configuration)
        client, place = client_and_place(configuration)
        launch = replace(launch, secrets=launch.secrets - configuration.plain)
        if not request.is_under_runner(configuration.env):
            return self._launch_alone(launch, configuration, client, place)
        with self._stripes[launch.attempt_id.int % STRIPES]:
            return self._launch_shared(launch, configuration, client, place)

    def _launch_shared(self, launch: Launch, configuration: Configuration, client: Client, place: Place) -> str:
        body = request.shared_job(configuration)
        request.refuse_shown(body, launch.secrets)
        overrides = request.overrides(configuration, launch, body)
        job = place.job(request.shared_job_id(body))
        begun = self._listings.find(job, launch.attempt_id, or_none(client.list_executions))
        if begun:
            return begun[0]
        try:
            execution = self._run_shared(launch, client, place, body, overrides)
        except ProviderError:
            self._listings.forget(job)  # it may have begun all the same, here or elsewhere
            raise
        self._listings.add(job, launch.attempt_id, execution)
        return execution

    def _run_shared(
        self, launch: Launch, client: Client, place: Place, body: Mapping[str, Any], overrides: Mapping[str, Any]
    ) -> str:
        in_time = self._in_time(launch)
        for last_try in (False, True):
            job = self._shared.ensure(client, place, body, launch.installation_id, in_time)
            try:
                with in_time():
                    return client.run_job(job, overrides)
            except NotFound:  # somebody has deleted the job meanwhile
                self._shared.forget(job)
                if last_try:
                    raise Unreachable(f"The job {job} is deleted again and again") from None
        raise AssertionError("the last try returns or raises")

    def _launch_alone(self, launch: Launch, configuration: Configuration, client: Client, place: Place) -> str:
        job_id = request.own_job_id(configuration, launch.attempt_id)
        execution = own_execution(place.job(job_id), request.TOKEN)
        in_time, versions = self._in_time(launch), dict[str, str]()
        hidden = request.secret_values(configuration, launch.secrets)
        secret = run_secrets.secret_name(place.project, launch.attempt_id)
        names = dict.fromkeys(hidden, "1")
        body = request.own_job(configuration, launch, secret, names)  # what would be refused leaves no secret behind
        if hidden:
            if self._is_there(client, place.job(job_id)):
                return execution
            with in_time():
                reader = request.service_account(body)
                versions = run_secrets.put(client, place.project, launch, hidden, reader)
            body = request.own_job(configuration, launch, secret, versions)
        try:
            with in_time():
                client.create_job(place, job_id, body)
        except AlreadyExists:
            pass  # by an earlier launch of this very attempt
        return execution

    @staticmethod
    def _is_there(client: Client, job: str) -> bool:
        try:
            client.get_job(job)
        except NotFound:
            return False
        return True

    def _in_time(self, launch: Launch) -> Callable[[], AbstractContextManager[None]]:
        """Makes contexts in which nothing is sent any more once the lease is over, or this call has taken too long."""
        until = time.monotonic() + self.call_timeout - 5.0

        def check_time() -> None:
            launch.ensure_in_time()
            if time.monotonic() > until:
                raise TooLate

        return lambda: checked_by(check_time)

    # -- afterwards ----------------------------------------------------------------------------------------------------

    def status(self, watched: Sequence[Watched]) -> Mapping[UUID, Observation]:
        return self._observer.status(watched)

    def stop(self, watched: Watched, grace: float) -> None:
        """Cloud Run sends SIGTERM, and SIGKILL after 10 seconds; `grace` cannot be told to it."""
        with only_unreachable():
            self._observer.stop(watched)

    def logs(self, watched: Watched, last: int) -> list[str]:
        with only_unreachable():
            return output.last_lines(self._observer, watched, last)

    def output_since(self, watched: Watched, offset: int) -> tuple[list[tuple[datetime, str]], int]:
        """See `skylift.provider.ForwardsOutput`; offsets are milliseconds since the execution was made."""
        with only_unreachable():
            return output.since(self._observer, watched, offset, self.logs_settle)

    def cleanup(self, watched: Watched) -> None:
        with only_unreachable():
            self._strays.clean(self._observer, watched)

    def list_attempts(self, installation_id: UUID, configuration: Mapping[str, Any]) -> Sequence[Watched]:
        """See `skylift.provider.FindsStrays`. Also deletes the jobs of this installation that nobody runs any more."""
        with only_unreachable():
            return self._strays.find(installation_id, configuration)

    # -- beside --------------------------------------------------------------------------------------------------------

    def read_event(self, event: Mapping[str, Any]) -> Sequence[Heard]:
        return events.read_event(event)

    def check(self, configuration: Mapping[str, Any]) -> Sequence[Finding]:
        return list(check.check(configuration))

    def links(self, watched: Watched) -> Mapping[str, str]:
        target = target_of(watched)
        return links.links(target.place, target.execution) if target else {}
