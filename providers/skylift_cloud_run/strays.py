"""Removing what attempts leave behind, and finding what carries an installation's mark."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from skylift.provider import ProviderError, Watched
from skylift_cloud_run import request, run_secrets
from skylift_cloud_run.client import Client
from skylift_cloud_run.errors import NotFound
from skylift_cloud_run.listing import by_attempt, or_none
from skylift_cloud_run.place import PLACE_FIELDS, Target, client_and_place, read_place
from skylift_cloud_run.status import Observer
from skylift_cloud_run.views import Execution, Job, own_execution


class Strays:
    """`idle`: how long a shared job is kept that nobody runs."""

    idle = timedelta(days=1)

    def clean(self, observer: Observer, watched: Watched) -> None:
        """Its job and secret, or its executions. Where they are to be kept, the secret alone."""
        client, target, executions = observer.executions(watched)
        keep = bool(watched.configuration.get("keep_job"))
        if target.is_alone:
            self._clean_alone(client, target, keep)
        for each in executions:
            if not target.is_alone and not keep:
                try:
                    client.delete_execution(each.name)
                except NotFound:
                    pass

    @staticmethod
    def _clean_alone(client: Client, target: Target, keep: bool) -> None:
        try:
            has_secret = client.get_job(target.job).labels.get(request.SECRET) == "true"
            if not keep:
                client.delete_job(target.job)
        except NotFound:
            try:  # of a launch that made no job; most have none, and many may not even ask
                run_secrets.remove(client, target.place.project, target.attempt_id)
            except ProviderError:
                pass
            return
        if has_secret:
            run_secrets.remove(client, target.place.project, target.attempt_id)

    def find(self, installation_id: UUID, configuration: Mapping[str, Any]) -> Sequence[Watched]:
        client, place = client_and_place(read_place(configuration))
        where = {name: configuration[name] for name in PLACE_FIELDS if configuration.get(name) is not None}
        found, with_jobs = list[Watched](), set[str]()
        for job in client.list_jobs(place):
            if job.labels.get(request.ROLE) == request.RUN:
                with_jobs.add(job.labels.get(request.ATTEMPT, ""))
                found += self._alone(job, installation_id, where)
            elif job.labels.get(request.ROLE) == request.SHARED:
                executions = or_none(client.list_executions)(job.name)
                found += self._sharing(job, executions, installation_id, where)
                if not executions and self._is_idle(job, installation_id):
                    self._delete(client, job)
        run_secrets.sweep(client, place.project, installation_id, frozenset(with_jobs))
        return found

    @staticmethod
    def _alone(job: Job, installation_id: UUID, where: Mapping[str, Any]) -> Iterator[Watched]:
        kept = job.labels.get(request.KEEP) == "true" and job.latest_status in ("SUCCEEDED", "FAILED", "CANCELLED")
        if job.labels.get(request.INSTALLATION) == str(installation_id) and not kept:
            try:
                attempt_id = UUID(job.labels.get(request.ATTEMPT, ""))
            except ValueError:  # somebody has changed its labels
                return
            yield Watched(attempt_id, own_execution(job.name, request.TOKEN), where)

    @staticmethod
    def _sharing(
        job: Job, executions: Sequence[Execution], installation_id: UUID, where: Mapping[str, Any]
    ) -> Iterator[Watched]:
        keep = job.labels.get(request.KEEP) == "true"
        for attempt_id, group in by_attempt(executions).items():
            ours = [each for each in group if each.env.get(request.INSTALLATION_VARIABLE) == str(installation_id)]
            if ours and not (keep and all(each.is_over for each in ours)):
                yield Watched(attempt_id, ours[0].name, where)

    def _is_idle(self, job: Job, installation_id: UUID) -> bool:
        last = job.latest_at or job.updated_at or job.created_at
        ours = job.labels.get(request.INSTALLATION) == str(installation_id)
        return bool(ours and last and datetime.now(UTC) - last > self.idle)

    @staticmethod
    def _delete(client: Client, job: Job) -> None:
        """Unless it was changed since it was listed. A launch that comes in between makes it anew."""
        try:
            client.delete_job(job.name, job.etag)
        except ProviderError:
            pass
