"""Google's clients, made when an event first needs one, with the function's own identity."""

from __future__ import annotations

from functools import cache
from threading import Lock
from typing import Any

from skylift.extras import sdk
from skylift_cloud_run.credentials import Credentials, endpoint, load
from skylift_cloud_run.transport import guard, new_session

EXTRA = "gcp"
TIMEOUT = 5.0
_making = Lock()


def tasks() -> Any:
    """Cloud Tasks; kept for as long as the process lives."""
    with _making:
        return _tasks()


def session() -> Any:
    """For calls that are not worth an SDK: one of those would be a third of a cold start."""
    with _making:
        return _session()


@cache
def _tasks() -> Any:
    options = sdk("google.api_core.client_options", extra=EXTRA).ClientOptions(api_endpoint=endpoint("cloudtasks"))
    client = sdk("google.cloud.tasks_v2", extra=EXTRA).CloudTasksClient(
        credentials=load(Credentials())[0], transport="rest", client_options=options
    )
    guard(client.transport._session)  # the SDK has no public way to its session
    return client


@cache
def _session() -> Any:
    return new_session(load(Credentials())[0])


def code_of(error: Exception) -> str:
    """What Google called it, or the error's type."""
    status = getattr(getattr(error, "grpc_status_code", None), "name", None)
    return str(status or type(error).__name__)
