"""What Google's answers mean: a table of status and message to one of the port's errors.

Sources: google.rpc.Code, the Cloud Run troubleshooting pages, cloud.google.com/run/quotas, and AIP-193/194. A status
that is not in the table is Unreachable: it is tried once more when its lease is over, and then shown raw.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from skylift.extras import sdk
from skylift.provider import BusyError, OutOfCapacity, ProviderError, Rejected, Throttled, Unreachable
from skylift_cloud_run.credentials import EXTRA, WHO

Make = Callable[[str, str], ProviderError]
RETRY_AFTER = 20.0
QUOTAS = "https://console.cloud.google.com/apis/api/run.googleapis.com/quotas"
BY_CODE = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ALREADY_EXISTS",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


API_IS_OFF = r"service_disabled|has not been used|it is disabled"
TOO_FAST = r"per minute|rate_limit|rate limit|requests per"
NO_BILLING = r"billing"
ORGANIZATION = r"constraint|organization policy|org policy"
"""Patterns that give a status a narrower meaning, here and where infrastructure is made."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """What Google said, before it is given a meaning."""

    status: str
    message: str
    reason: str = ""
    """ErrorInfo's, where there is one: RATE_LIMIT_EXCEEDED, SERVICE_DISABLED…"""
    permission: str = ""
    """The one that is missing, where Google names it."""

    def tells(self, pattern: str) -> bool:
        """Whether the pattern, in lower case, is in what Google said."""
        return re.search(pattern, f"{self.message} {self.reason}".lower()) is not None


class NotFound(Rejected):
    """What was asked for is not there: most callers take that for an answer."""


class AlreadyExists(BusyError):  # noqa: N818 - as the SDK has it
    """What was to be made is there: most callers take that for an answer."""


def _throttled(message: str, remedy: str) -> ProviderError:
    return Throttled(message, retry_after=RETRY_AFTER, remedy=remedy)


def _full(message: str, remedy: str) -> ProviderError:
    return OutOfCapacity(message, retry_after=RETRY_AFTER, remedy=remedy)


def _later(message: str, remedy: str) -> ProviderError:
    return BusyError(message, retry_after=5.0, remedy=remedy)


def _rejected(message: str, remedy: str) -> ProviderError:
    return Rejected(message, remedy=remedy)


def _not_found(message: str, remedy: str) -> ProviderError:
    return NotFound(message, remedy=remedy)


def _already_there(message: str, remedy: str) -> ProviderError:
    return AlreadyExists(message, retry_after=5.0, remedy=remedy)


def _unreachable(message: str, remedy: str) -> ProviderError:
    return Unreachable(message, remedy=remedy)


TABLE: tuple[tuple[str, str, Make, str], ...] = (
    (
        "RESOURCE_EXHAUSTED",
        TOO_FAST,
        _throttled,
        f"Lower the pool's setting 'launch_rate', or ask for more of that quota: {QUOTAS}",
    ),
    (
        "RESOURCE_EXHAUSTED",
        r"number of jobs\b",
        _full,
        "A project has room for 1,000 jobs in a region: delete some, or ask for more",
    ),
    (
        "RESOURCE_EXHAUSTED",
        r"execution|cpu|memory|gpu|capacity|instance|quota",
        _full,
        f"It is tried again by itself; name other regions in 'capacity_fallbacks', or ask for more: {QUOTAS}",
    ),
    ("RESOURCE_EXHAUSTED", "", _throttled, f"It is tried again by itself; the limits are at {QUOTAS}"),
    ("UNAUTHENTICATED", "", _unreachable, f"Google does not accept these credentials. {WHO}"),
    (
        "PERMISSION_DENIED",
        API_IS_OFF,
        _rejected,
        "Switch the API on: gcloud services enable run.googleapis.com logging.googleapis.com",
    ),
    (
        "PERMISSION_DENIED",
        r"actas",
        _rejected,
        "Grant Skylift's identity roles/iam.serviceAccountUser on the job's service account",
    ),
    (
        "PERMISSION_DENIED",
        r"secretmanager",
        _rejected,
        "Grant Skylift's identity roles/secretmanager.admin on the project, or leave 'runner' on",
    ),
    (
        "PERMISSION_DENIED",
        rf"{NO_BILLING}|consumer",
        _rejected,
        "See that the project exists, and that billing is enabled for it",
    ),
    ("PERMISSION_DENIED", "", _rejected, "Grant Skylift's identity roles/run.developer on the project"),
    ("NOT_FOUND", "", _not_found, "See that 'project', 'region' and what 'job_body' names are right"),
    ("FAILED_PRECONDITION", r"not ready", _later, "It is tried again by itself"),
    ("FAILED_PRECONDITION", NO_BILLING, _rejected, "Enable billing for the project"),
    (
        "FAILED_PRECONDITION",
        ORGANIZATION,
        _rejected,
        "A policy of the organization forbids it: change the job variables, or ask its administrator",
    ),
    ("FAILED_PRECONDITION", "", _rejected, "Correct the job variables by what Google says"),
    ("INVALID_ARGUMENT", "", _rejected, "Correct the job variable or the field of 'job_body' that Google names"),
    ("OUT_OF_RANGE", "", _rejected, "Correct the job variable or the field of 'job_body' that Google names"),
    ("UNIMPLEMENTED", "", _rejected, "Choose another region, or a lower 'launch_stage'"),
    ("ALREADY_EXISTS", "", _already_there, "It is tried again by itself"),
    ("ABORTED", "", _later, "Something was changed at the same time; it is tried again by itself"),
    ("UNAVAILABLE", "", _unreachable, "See status.cloud.google.com; it is tried again by itself"),
    ("INTERNAL", "", _unreachable, "See status.cloud.google.com; it is tried again by itself"),
    ("DEADLINE_EXCEEDED", "", _unreachable, "It is tried again by itself"),
    ("CANCELLED", "", _unreachable, "It is tried again by itself"),
    ("DATA_LOSS", "", _unreachable, "It is tried again by itself"),
    ("UNKNOWN", "", _unreachable, "It is tried again by itself"),
)
"""Status, pattern (over message and reason, in lower case), error, remedy; the first row that fits decides."""


def to_error(refusal: Refusal) -> ProviderError:
    """What it means."""
    for status, pattern, make, remedy in TABLE:
        if status == refusal.status and refusal.tells(pattern):
            return make(f"Google says: {refusal.message}", remedy)
    message = f"Google says something unknown: {refusal.status or 'no status'}: {refusal.message}"
    return Unreachable(message, remedy="It is tried once more by itself; report it if it stays")


def read_refusal(error: Any) -> Refusal:
    """Of an exception of the SDK (`google.api_core.exceptions.GoogleAPICallError`), or of a response of `requests`."""
    response = getattr(error, "response", None) if isinstance(error, Exception) else error
    code = int(getattr(error, "code", None) or getattr(response, "status_code", 0) or 0)
    try:
        told = response.json() if response is not None else {}
    except ValueError:
        told = {}
    return read_body(code, told, str(getattr(error, "message", "")))


def read_body(code: int, told: Any, message: str = "") -> Refusal:
    """Of the HTTP status of an answer and its JSON, as AIP-193 has it."""
    inner = told.get("error") if isinstance(told, dict) else None
    body: dict[str, Any] = inner if isinstance(inner, dict) else {}
    details = [each for each in body.get("details") or [] if isinstance(each, dict)]
    message = str(body.get("message") or message).strip() or f"HTTP {code}"
    named = next(filter(None, ((each.get("metadata") or {}).get("permission") for each in details)), None)
    found = re.search(r"\b[a-z]+\.[A-Za-z]+\.[A-Za-z]+\b", message) if not named else None
    return Refusal(
        body.get("status") or BY_CODE.get(code, "UNKNOWN"),
        message,
        next((each["reason"] for each in details if each.get("reason")), ""),
        named or (found[0] if found else ""),
    )


@contextmanager
def translated() -> Iterator[None]:
    """Around a call of the SDK: its exceptions become the port's errors, `NotFound` and `AlreadyExists` among them."""
    exceptions = sdk("google.api_core.exceptions", extra=EXTRA)
    auth, requests = sdk("google.auth.exceptions", extra=EXTRA), sdk("requests.exceptions", extra=EXTRA)
    try:
        yield
    except exceptions.GoogleAPICallError as error:
        refusal = read_refusal(error)
    except auth.GoogleAuthError as error:
        raise Unreachable(f"Google gave no access token ({error})", remedy=WHO) from None
    except requests.RequestException as error:
        name = type(error).__name__
        raise Unreachable(f"Google did not answer ({name})", remedy="See the network of Skylift's machine") from None
    else:
        return
    raise to_error(refusal)


@contextmanager
def only_unreachable() -> Iterator[None]:
    """For what is asked of something that was launched: whatever is wrong, it could not be done for now."""
    try:
        yield
    except (Rejected, BusyError) as error:
        raise Unreachable(str(error), remedy=error.remedy) from None
