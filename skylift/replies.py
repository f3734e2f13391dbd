"""Answers on the wire, whatever serves them: errors by family, and never an input, a parameter or a traceback."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.exc import IntegrityError, OperationalError

from skylift.errors import (
    ConflictError,
    ForbiddenError,
    GoneError,
    InvalidError,
    MissingExtraError,
    NotFoundError,
    SkyliftError,
    UnauthorizedError,
)
from skylift.provider import BusyError, ProviderError, Rejected
from skylift.provisioner import ProvisionError
from skylift.security.sealing import SealError
from skylift.store.engine import StoreBusyError
from skylift.store.schema_version import NewerTablesError
from skylift.webhooks.errors import MediaTypeError, SignatureError, TooLargeError

logger = logging.getLogger(__name__)

# The first family that fits.
STATUSES: tuple[tuple[type[SkyliftError], int], ...] = (
    (UnauthorizedError, 401),
    (SignatureError, 401),
    (ForbiddenError, 403),
    (NotFoundError, 404),
    (ConflictError, 409),
    (GoneError, 410),
    (TooLargeError, 413),
    (MediaTypeError, 415),
    (InvalidError, 422),
    (Rejected, 422),
    (SealError, 500),
    (MissingExtraError, 501),
    (StoreBusyError, 503),
    (NewerTablesError, 503),
    (BusyError, 503),
    (ProviderError, 502),
    (ProvisionError, 502),
)
TOO_MUCH = "54000"
"""PostgreSQL's SQLSTATE, and its relatives', for what exceeds a limit of theirs."""
RETRY_AFTER = 1.0
"""Seconds, where nobody knows better."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A status, a body that is JSON, and headers."""

    status: int
    body: Mapping[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)


def of_error(error: Exception, request: str) -> Reply:
    """Whatever went wrong. `request`: method and path, for the log."""
    match error:
        case SkyliftError():
            return _known(error, request)
        case IntegrityError():
            return _conflict(error, request)
        case OperationalError():
            return _database(error, request)
        case _:
            return _fault(error, request)


def invalid(details: list[dict[str, Any]]) -> dict[str, Any]:
    """What clients look for in the body of a 422."""
    return {
        "exception_message": "Invalid request received.",
        "exception_detail": details,
        "request_body": None,
    }


def _known(error: SkyliftError, request: str) -> Reply:
    """One of our own."""
    status = next((status for family, status in STATUSES if isinstance(error, family)), 500)
    body: dict[str, Any] = {"detail": str(error)}
    if isinstance(error, InvalidError):
        where = error.field.split(".") if error.field else []
        body |= invalid([{"loc": ["body", *where], "msg": str(error), "type": "value_error"}])
    if remedy := getattr(error, "remedy", None):
        body["remedy"] = remedy
    if status == 500:
        logger.error("%s: %s", request, error, exc_info=error)
    return Reply(status, body, _headers(status, error))


def _conflict(error: Exception, request: str) -> Reply:
    """A constraint of the database caught what two requests did at the same moment."""
    logger.info("%s: %s", request, type(error).__name__)
    return Reply(
        409,
        {"detail": "Another request was faster, and took this name or changed this object: look, then try again"},
    )


def _database(error: Exception, request: str) -> Reply:
    """The database does not answer, or has no room: clients come back after a 503. Or it was given too much."""
    orig = getattr(error, "orig", None)
    if getattr(orig, "sqlstate", None) == TOO_MUCH:
        return Reply(413, {"detail": "More than the database takes in one value, key or transaction: send less"})
    logger.error("%s: the database failed: %s", request, type(orig).__name__)
    return Reply(503, {"detail": "The database does not answer just now: try again"}, _headers(503, error))


def _fault(error: Exception, request: str) -> Reply:
    """A fault of ours. What it was is in the log, not in the answer."""
    logger.error("%s failed: %s", request, type(error).__name__)
    return Reply(
        500,
        {
            "exception_message": "Internal Server Error",
            "detail": "Skylift failed to answer this request; the server's log says why.",
        },
    )


def _headers(status: int, error: Exception) -> dict[str, str]:
    if status == 503:
        after = getattr(error, "retry_after", None) or RETRY_AFTER
        return {"Retry-After": str(max(1, round(after)))}
    return {"WWW-Authenticate": "Bearer"} if status == 401 else {}
