"""What Google's answers mean to somebody who makes infrastructure.

Sources: AIP-193 and AIP-194 (errors and when to try again), cloud.google.com/iam/docs/troubleshoot-policies,
cloud.google.com/iam/docs/retry-strategy (new accounts, concurrent policy changes), cloud.google.com/iam/quotas.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from skylift.extras import sdk
from skylift.provider import Rejected
from skylift.provisioner import ProvisionError
from skylift_infra.resources import NotYetError

EXTRA = "cloud-run-infra"
AGAIN = "Run the command again: it goes on from here"
NOT_THERE = ("NOT_FOUND", "SERVICE_DISABLED")
"""Where a thing's API is off, there is no such thing."""
CODES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ALREADY_EXISTS",
    429: "RESOURCE_EXHAUSTED",
    503: "UNAVAILABLE",
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """What Google said."""

    status: str
    message: str
    permission: str = ""

    @property
    def word(self) -> str:
        """The status, or a narrower word for it."""
        text = self.message.lower()
        if self.status == "PERMISSION_DENIED" and re.search(r"service_disabled|has not been used|it is disabled", text):
            return "SERVICE_DISABLED"
        if self.status in ("INVALID_ARGUMENT", "FAILED_PRECONDITION") and "does not exist" in text:
            return "NOT_KNOWN_YET"
        if self.status == "RESOURCE_EXHAUSTED" and re.search(r"per minute|rate", text):
            return "TOO_FAST"
        return self.status


NOT_YET = {"SERVICE_DISABLED", "NOT_KNOWN_YET", "NOT_FOUND", "TOO_FAST", "ABORTED"}
"""Of what was just made, or has just been changed by somebody else at the same time."""


@contextmanager
def telling(what: str, *fine: str) -> Iterator[None]:
    """Turns the SDK's errors into ours; those with a status in `fine` are none."""
    try:
        http = sdk("googleapiclient.errors", extra=EXTRA).HttpError
        auth, sending = sdk("google.auth.exceptions", extra=EXTRA), sdk("requests.exceptions", extra=EXTRA)
    except Rejected as error:
        raise ProvisionError(str(error), remedy=error.remedy) from error
    try:
        yield
    except http as error:
        refusal = read_refusal(error.status_code, error.content)
    except auth.GoogleAuthError as error:
        raise ProvisionError(
            f"Google does not accept who is signed in here: {error}",
            remedy="Run `gcloud auth application-default login` again",
        ) from error
    except sending.RequestException as error:
        raise ProvisionError(
            f"Google did not answer when asked to {what} ({type(error).__name__})", remedy=AGAIN
        ) from None
    else:
        return
    if not {refusal.status, refusal.word} & set(fine):
        raise to_error(what, refusal)


def seen(what: str, request: Any, *fine: str) -> dict[str, Any] | None:
    """What the SDK's request answers; None where there is no such thing."""
    found: list[dict[str, Any]] = []
    with telling(what, *NOT_THERE, *fine):
        found.append(request.execute())
    return found[0] if found else None


def read_refusal(code: int, content: bytes) -> Refusal:
    """Of the body of an answer."""
    try:
        told = json.loads(content)["error"]
        details = told.get("details", [])
        reasons = [each["reason"] for each in details if "reason" in each]
        permissions = [each.get("metadata", {}).get("permission", "") for each in details]
        said = str(told.get("message", ""))
    except (ValueError, KeyError, TypeError, AttributeError):
        return Refusal(CODES.get(code, "UNKNOWN"), f"HTTP {code}")
    named = re.search(r"'?([a-z]+\.[A-Za-z]+\.[A-Za-z]+)'?", said)
    permission = next(filter(None, permissions), "") or (named[1] if named else "")
    text = said if "SERVICE_DISABLED" not in reasons else f"{said} (SERVICE_DISABLED)"
    return Refusal(told.get("status") or CODES.get(code, "UNKNOWN"), text, permission)


def to_error(what: str, refusal: Refusal) -> ProvisionError:
    said = refusal.message
    if refusal.word in NOT_YET:
        return NotYetError(f"Google is not ready to {what}: {said}", remedy=AGAIN)
    text = said.lower()
    if "billing" in text:
        return ProvisionError(f"Google could not {what}: {said}", remedy="Enable billing for the project")
    if re.search(r"constraints?/|organization policy|org policy|key creation is not allowed", text):
        return ProvisionError(
            f"A policy of the organization forbids to {what}: {said}",
            remedy="Ask its administrator; where keys are forbidden, leave --with-key out",
        )
    if refusal.status in ("PERMISSION_DENIED", "UNAUTHENTICATED"):
        wanted = f"the permission {refusal.permission}" if refusal.permission else "the permission for it"
        return ProvisionError(
            f"Your account may not {what}: {said}",
            remedy=f"Ask for {wanted} on the project, or run this as somebody who has it",
        )
    if refusal.status == "RESOURCE_EXHAUSTED" or "maximum number" in text:
        return ProvisionError(
            f"Google has no room to {what}: {said}", remedy="Remove what nobody needs, or ask Google for a higher quota"
        )
    return ProvisionError(f"Google could not {what}: {said}", remedy=AGAIN)
