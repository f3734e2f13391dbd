"""Everything that Skylift asks of Google, through Google's own SDKs: typed calls, each with a timeout and without
retries of the SDK's own.

`PERMISSIONS` says what each call needs: for the provisioner's roles, for `work-pool check`, and for the local Google of
the tests, which refuses every other call.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from skylift.extras import sdk
from skylift.provider import ProviderError, Rejected
from skylift_cloud_run import views
from skylift_cloud_run.credentials import EXTRA, Credentials, endpoint, load
from skylift_cloud_run.errors import AlreadyExists, read_refusal, to_error, translated
from skylift_cloud_run.transport import TIMEOUT, guard, new_session
from skylift_cloud_run.views import Execution, Job, Place, Task

PERMISSIONS: Mapping[str, tuple[str, ...]] = {
    "create_job": ("run.jobs.create", "iam.serviceAccounts.actAs"),
    "get_job": ("run.jobs.get",),
    "list_jobs": ("run.jobs.list",),
    "update_job": ("run.jobs.update", "iam.serviceAccounts.actAs"),
    "delete_job": ("run.jobs.delete",),
    "run_job": ("run.jobs.run", "run.jobs.runWithOverrides"),
    "get_execution": ("run.executions.get",),
    "list_executions": ("run.executions.list",),
    "cancel_execution": ("run.executions.cancel",),
    "delete_execution": ("run.executions.delete",),
    "list_tasks": ("run.tasks.list",),
    "read_log": ("logging.logEntries.list",),
}
"""By method of the façade. All are in roles/run.developer, roles/logging.viewer and, on the jobs' service account
alone, roles/iam.serviceAccountUser."""
SECRET_PERMISSIONS: Mapping[str, tuple[str, ...]] = {
    "create_secret": ("secretmanager.secrets.create",),
    "add_version": ("secretmanager.versions.add",),
    "let_read": ("secretmanager.secrets.setIamPolicy",),
    "delete_secret": ("secretmanager.secrets.delete",),
    "list_secrets": ("secretmanager.secrets.list",),
    "has_version": ("secretmanager.versions.get",),
}
"""Only for bare commands with secret values, and `has_version` for the check of references."""
PAGE = 500


class Client:
    """Google, as one identity sees it. Safe to use from many threads."""

    def __init__(self, chosen: Credentials) -> None:
        self.credentials, self.project = load(chosen)
        run = sdk("google.cloud.run_v2", extra=EXTRA)
        options = sdk("google.api_core.client_options", extra=EXTRA).ClientOptions(api_endpoint=endpoint("run"))
        same = {"credentials": self.credentials, "transport": "rest", "client_options": options}
        self._run = run
        self._jobs, self._executions = run.JobsClient(**same), run.ExecutionsClient(**same)
        self._tasks = run.TasksClient(**same)
        for each in (self._jobs, self._executions, self._tasks):
            guard(each.transport._session)  # the SDK has no public way to its session
        self._session = new_session(self.credentials)
        self._logging: Any = None
        self._lock = threading.Lock()

    # -- jobs ----------------------------------------------------------------------------------------------------------

    def create_job(self, place: Place, job_id: str, body: Mapping[str, Any], *, only_check: bool = False) -> None:
        """Raises `AlreadyExists`."""
        request = self._run.CreateJobRequest(
            parent=place.parent, job_id=job_id, job=self._job(body), validate_only=only_check
        )
        with translated():
            self._jobs.create_job(request, retry=None, timeout=TIMEOUT)

    def update_job(self, name: str, body: Mapping[str, Any]) -> None:
        """Also looks again for what its image's tag means. Raises `NotFound`."""
        request = self._run.UpdateJobRequest(job=self._job({**body, "name": name}))
        with translated():
            self._jobs.update_job(request, retry=None, timeout=TIMEOUT)

    def get_job(self, name: str) -> Job:
        """Raises `NotFound`."""
        with translated():
            return views.to_job(self._jobs.get_job(name=name, retry=None, timeout=TIMEOUT))

    def list_jobs(self, place: Place) -> list[Job]:
        with translated():
            request = {"parent": place.parent, "page_size": PAGE}
            return [views.to_job(each) for each in self._jobs.list_jobs(request, retry=None, timeout=TIMEOUT)]

    def delete_job(self, name: str, etag: str = "") -> None:
        """With its executions. Raises `NotFound`."""
        with translated():
            self._jobs.delete_job({"name": name, "etag": etag}, retry=None, timeout=TIMEOUT)

    def run_job(self, name: str, overrides: Mapping[str, Any]) -> str:
        """The full name of the execution that was begun. Raises `NotFound`."""
        request = self._parsed(self._run.RunJobRequest, {"name": name, "overrides": overrides})
        with translated():
            operation = self._jobs.run_job(request, retry=None, timeout=TIMEOUT)
        return str(operation.metadata.name)

    # -- executions ----------------------------------------------------------------------------------------------------

    def get_execution(self, name: str) -> Execution:
        """Raises `NotFound`."""
        with translated():
            found = self._executions.get_execution(name=name, retry=None, timeout=TIMEOUT)
            return views.to_execution(found)

    def list_executions(self, job: str) -> list[Execution]:
        """Raises `NotFound`."""
        with translated():
            request = {"parent": job, "page_size": PAGE}
            found = self._executions.list_executions(request, retry=None, timeout=TIMEOUT)
            return [views.to_execution(each) for each in found]

    def cancel_execution(self, name: str) -> None:
        """Raises `NotFound`, and `Rejected` for one that is over."""
        with translated():
            self._executions.cancel_execution(name=name, retry=None, timeout=TIMEOUT)

    def delete_execution(self, name: str) -> None:
        """Raises `NotFound`."""
        with translated():
            self._executions.delete_execution(name=name, retry=None, timeout=TIMEOUT)

    def list_tasks(self, execution: str) -> list[Task]:
        """Raises `NotFound`."""
        with translated():
            request = {"parent": execution, "page_size": 100}
            return [views.to_task(each) for each in self._tasks.list_tasks(request, retry=None, timeout=TIMEOUT)]

    # -- logs ----------------------------------------------------------------------------------------------------------

    def read_log(
        self, project: str, wanted: str, most: int, *, newest_first: bool
    ) -> list[tuple[datetime, str, str, Any]]:
        """Instant, log name, severity and payload (text, or a structure) of up to `most` entries that fit."""
        with translated():
            found = self._log_client().list_entries(
                resource_names=[f"projects/{project}"],
                filter_=wanted,
                order_by="timestamp desc" if newest_first else "timestamp asc",
                page_size=min(most, 1000),
                max_results=most,
            )
            return [(each.timestamp, each.log_name, each.severity or "DEFAULT", each.payload) for each in found]

    def _log_client(self) -> Any:
        with self._lock:
            if self._logging is None:
                options = {"api_endpoint": endpoint("logging")}
                self._logging = sdk("google.cloud.logging_v2", extra=EXTRA).Client(
                    project=self.project or "-",
                    credentials=self.credentials,
                    _http=self._session,
                    _use_grpc=False,
                    client_options=options,
                )
            return self._logging

    # -- secrets, and who we are: no SDK of the extra has these calls --------------------------------------------------

    def create_secret(self, project: str, name: str, labels: Mapping[str, str]) -> None:
        """One that exists is as good."""
        body = {"replication": {"automatic": {}}, "labels": dict(labels)}
        try:
            self._secrets("POST", f"projects/{project}/secrets?secretId={name}", body)
        except AlreadyExists:
            pass

    def add_version(self, secret: str, data: str) -> str:
        """`secret`: its full name; `data` in base64. The number of the new version."""
        made = self._secrets("POST", f"{secret}:addVersion", {"payload": {"data": data}})
        return views.short(made["name"])

    def let_read(self, secret: str, member: str) -> None:
        binding = {"role": "roles/secretmanager.secretAccessor", "members": [member]}
        self._secrets("POST", f"{secret}:setIamPolicy", {"policy": {"bindings": [binding]}})

    def delete_secret(self, secret: str) -> None:
        """Raises `NotFound`."""
        self._secrets("DELETE", secret)

    def list_secrets(self, project: str, label: str, value: str) -> Iterator[tuple[str, Mapping[str, str], str]]:
        """Full name, labels and time of creation (RFC 3339) of those that have this label."""
        token = ""
        while True:
            path = f"projects/{project}/secrets?filter=labels.{label}={value}&pageSize={PAGE}&pageToken={token}"
            page = self._secrets("GET", path)
            for each in page.get("secrets", []):
                yield each["name"], each.get("labels", {}), each.get("createTime", "")
            token = page.get("nextPageToken", "")
            if not token:
                return

    def has_version(self, version: str) -> bool:
        """Whether it is there and enabled. Raises `NotFound`."""
        return bool(self._secrets("GET", version).get("state") == "ENABLED")

    def granted(self, project: str, permissions: Sequence[str]) -> frozenset[str]:
        """Those of these permissions that we have on the project."""
        url = f"{endpoint('cloudresourcemanager')}/v3/projects/{project}:testIamPermissions"
        return frozenset(self._ask("POST", url, {"permissions": list(permissions)}).get("permissions", []))

    def _secrets(self, verb: str, path: str, body: Any = None) -> Any:
        return self._ask(verb, f"{endpoint('secretmanager')}/v1/{path}", body)

    def _ask(self, verb: str, url: str, body: Any = None) -> Any:
        with translated():
            answer = self._session.request(verb, url, json=body, timeout=TIMEOUT)
        if answer.status_code >= 300:
            raise to_error(read_refusal(answer))
        return answer.json()

    def _job(self, body: Mapping[str, Any]) -> Any:
        return self._parsed(self._run.Job, body)

    @staticmethod
    def _parsed(kind: Any, body: Mapping[str, Any]) -> Any:
        """Google's own reading of the JSON form. Raises `Rejected`, naming the field."""
        errors = sdk("google.protobuf.json_format", extra=EXTRA)
        try:
            return kind.from_json(json.dumps(body))
        except errors.ParseError as error:
            said = str(error).partition("\n")[0]
            raise Rejected(
                f"'job_body' is not a Cloud Run job: {said}",
                remedy="Correct 'job_body' in the pool's base job template by run.googleapis.com's v2 reference",
            ) from None


_clients: dict[str, Client] = {}
_without: dict[str, tuple[float, ProviderError]] = {}
_clients_lock = threading.Lock()
ASK_AGAIN = 30.0
"""Seconds until somebody without an identity is looked at again: to find none may take a while."""


def client_for(chosen: Credentials | None) -> Client:
    """One client for each identity and endpoint, for as long as this process lives.

    Raises `Rejected` for a key that is none, `Unreachable` where there is no identity.
    """
    wanted = chosen or Credentials()
    content = json.dumps([wanted.model_dump(), endpoint("run")], sort_keys=True)
    key = hashlib.sha256(content.encode()).hexdigest()
    with _clients_lock:
        at, trouble = _without.get(key, (0.0, None))
        if trouble and time.monotonic() - at < ASK_AGAIN:
            raise trouble
        if key not in _clients:
            try:
                _clients[key] = Client(wanted)
            except ProviderError as error:
                _without[key] = time.monotonic(), error
                raise
        return _clients[key]
