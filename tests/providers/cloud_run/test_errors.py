"""Every documented answer of the calls that are made has a meaning, a remedy and no secret; so has what is unknown."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import requests
from google.api_core import exceptions
from google.auth.exceptions import RefreshError

from skylift.provider import BusyError, OutOfCapacity, ProviderError, Rejected, Throttled, Unreachable
from skylift_cloud_run.errors import (
    BY_CODE,
    TABLE,
    AlreadyExists,
    NotFound,
    Refusal,
    only_unreachable,
    read_refusal,
    to_error,
    translated,
)
from tests.clouds.google_errors import too_many

CASES: list[tuple[str, str, type[ProviderError], str]] = [
    (
        "RESOURCE_EXHAUSTED",
        too_many("Job run requests").message,
        Throttled,
        "launch_rate",
    ),
    ("RESOURCE_EXHAUSTED", "Maximum number of jobs reached: 1000.", OutOfCapacity, "1,000 jobs"),
    ("RESOURCE_EXHAUSTED", "Maximum number of running executions reached.", OutOfCapacity, "capacity_fallbacks"),
    ("RESOURCE_EXHAUSTED", "Quota exceeded for total allowable CPU per project per region.", OutOfCapacity, "quotas"),
    ("RESOURCE_EXHAUSTED", "Slow down.", Throttled, "again"),
    ("UNAUTHENTICATED", "Request had invalid authentication credentials.", Unreachable, "gcp-credentials"),
    (
        "PERMISSION_DENIED",
        "Cloud Run Admin API has not been used in project 1 before",
        Rejected,
        "gcloud services enable",
    ),
    (
        "PERMISSION_DENIED",
        "Permission 'iam.serviceaccounts.actAs' denied on service account",
        Rejected,
        "serviceAccountUser",
    ),
    ("PERMISSION_DENIED", "Permission 'secretmanager.secrets.create' denied", Rejected, "secretmanager.admin"),
    ("PERMISSION_DENIED", "This API method requires billing to be enabled.", Rejected, "billing"),
    ("PERMISSION_DENIED", "Permission 'run.jobs.create' denied on resource", Rejected, "run.developer"),
    ("NOT_FOUND", "The requested region does not exist", NotFound, "region"),
    ("FAILED_PRECONDITION", "Job 'x' is not ready to be run.", BusyError, "again"),
    ("FAILED_PRECONDITION", "Billing is disabled for this project", Rejected, "billing"),
    ("FAILED_PRECONDITION", "Constraint constraints/run.allowedIngress violated", Rejected, "organization"),
    ("FAILED_PRECONDITION", "Something else", Rejected, "Correct"),
    ("INVALID_ARGUMENT", "resources.limits.memory: Invalid value specified for memory", Rejected, "names"),
    ("OUT_OF_RANGE", "timeout", Rejected, "names"),
    ("UNIMPLEMENTED", "not in this region", Rejected, "region"),
    ("ALREADY_EXISTS", "Resource 'x' already exists.", AlreadyExists, "again"),
    ("ABORTED", "Conflict for resource", BusyError, "again"),
    ("UNAVAILABLE", "The service is currently unavailable.", Unreachable, "status.cloud.google.com"),
    ("INTERNAL", "Internal error encountered.", Unreachable, "status.cloud.google.com"),
    ("DEADLINE_EXCEEDED", "Deadline expired", Unreachable, "again"),
    ("CANCELLED", "The operation was cancelled.", Unreachable, "again"),
    ("DATA_LOSS", "data loss", Unreachable, "again"),
    ("UNKNOWN", "unknown", Unreachable, "again"),
]
"""google.rpc.Code has no others that are errors."""


@pytest.mark.parametrize(("status", "message", "kind", "remedy"), CASES)
def test_an_answer_has_a_meaning(status: str, message: str, kind: type[ProviderError], remedy: str) -> None:
    error = to_error(Refusal(status, message))
    assert type(error) is kind
    assert message in str(error)
    assert remedy in str(error.remedy)
    assert not isinstance(error, Throttled | OutOfCapacity) or error.retry_after


def test_every_row_is_met() -> None:
    met = {id(row) for status, message, *_ in CASES for row in [_row(status, message)]}
    assert len(met) == len(TABLE)


def _row(status: str, message: str) -> Any:
    return next(row for row in TABLE if row[0] == status and re.search(row[1], message.lower()))


def test_every_status_is_known() -> None:
    assert {status for status, *_ in CASES} >= set(BY_CODE.values())


def test_what_is_unknown_is_shown_raw_and_tried_again() -> None:
    error = to_error(Refusal("TEAPOT", "I am a teapot"))
    assert isinstance(error, Unreachable)
    assert "TEAPOT: I am a teapot" in str(error)


def test_the_reason_counts_like_the_message() -> None:
    assert isinstance(to_error(Refusal("RESOURCE_EXHAUSTED", "No.", "RATE_LIMIT_EXCEEDED")), Throttled)
    assert "services enable" in str(to_error(Refusal("PERMISSION_DENIED", "No.", "SERVICE_DISABLED")).remedy)


def answered(code: int, body: Any) -> requests.Response:
    response = requests.Response()
    response.status_code = code
    response._content = body if isinstance(body, bytes) else json.dumps(body).encode()
    response.request = requests.Request("POST", "https://run.googleapis.com/v2/x").prepare()
    return response


def test_an_answer_is_read_with_its_status_message_and_reason() -> None:
    error = exceptions.from_http_response(answered(429, too_many("Job run requests").body()))
    read = read_refusal(error)
    assert (read.status, read.reason) == ("RESOURCE_EXHAUSTED", "RATE_LIMIT_EXCEEDED")
    assert read.message.startswith("Quota exceeded for quota metric 'Job run requests'")


@pytest.mark.parametrize("body", [b"<html>502 Bad Gateway</html>", b"", b"[]"])
def test_an_answer_that_is_not_googles_is_unreachable(body: Any) -> None:
    with pytest.raises(Unreachable), translated():
        raise exceptions.from_http_response(answered(502, body))


@pytest.mark.parametrize(
    "raised", [requests.ConnectionError("reset"), requests.ReadTimeout("slow"), RefreshError("invalid_grant")]
)
def test_no_answer_is_unreachable(raised: Exception) -> None:
    with pytest.raises(Unreachable) as caught, translated():
        raise raised
    assert caught.value.remedy


def test_of_what_was_launched_nothing_is_rejected() -> None:
    with pytest.raises(Unreachable) as caught, only_unreachable():
        raise Rejected("no right", remedy="Grant it")
    assert caught.value.remedy == "Grant it"
