"""What Google's answers mean to somebody who makes infrastructure.

Sources: AIP-193 and AIP-194 (errors and when to try again), cloud.google.com/iam/docs/troubleshoot-policies,
cloud.google.com/iam/docs/retry-strategy (new accounts, concurrent policy changes), cloud.google.com/iam/quotas.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from skylift.extras import sdk
from skylift.provider import Rejected
from skylift.provisioner import ProvisionError
from skylift_cloud_run.errors import API_IS_OFF, NO_BILLING, ORGANIZATION, TOO_FAST, Refusal, read_body
from skylift_infra.resources import NotYetError

EXTRA = "cloud-run-infra"
AGAIN = "Run the command again: it goes on from here"
NOT_THERE = ("NOT_FOUND", "SERVICE_DISABLED")
"""Where a thing's API is off, there is no such thing."""
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
    if not {refusal.status, word_for(refusal)} & set(fine):
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
        told = json.loads(content)
    except ValueError:
        told = {}
    return read_body(code, told)


def word_for(refusal: Refusal) -> str:
    """The status, or a narrower word for it."""
    if refusal.status == "PERMISSION_DENIED" and refusal.tells(API_IS_OFF):
        return "SERVICE_DISABLED"
    if refusal.status in ("INVALID_ARGUMENT", "FAILED_PRECONDITION") and refusal.tells("does not exist"):
        return "NOT_KNOWN_YET"
    if refusal.status == "RESOURCE_EXHAUSTED" and refusal.tells(TOO_FAST):
        return "TOO_FAST"
    return refusal.status


def to_error(what: str, refusal: Refusal) -> ProvisionError:
    said = refusal.message
    if word_for(refusal) in NOT_YET:
        return NotYetError(f"Google is not ready to {what}: {said}", remedy=AGAIN)
    if refusal.tells(NO_BILLING):
        return ProvisionError(f"Google could not {what}: {said}", remedy="Enable billing for the project")
    if refusal.tells(rf"{ORGANIZATION}|key creation is not allowed"):
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
    if refusal.status == "RESOURCE_EXHAUSTED" or refusal.tells("maximum number"):
        return ProvisionError(
            f"Google has no room to {what}: {said}", remedy="Remove what nobody needs, or ask Google for a higher quota"
        )
    return ProvisionError(f"Google could not {what}: {said}", remedy=AGAIN)
