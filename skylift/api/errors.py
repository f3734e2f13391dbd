"""How errors look on the wire: families to status codes, and never an input, a parameter or a traceback."""

from __future__ import annotations

import logging
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import IntegrityError, OperationalError

from skylift.api.scopes import UnauthorizedError
from skylift.errors import (
    ConflictError,
    ForbiddenError,
    GoneError,
    InvalidError,
    MissingExtraError,
    NotFoundError,
    SkyliftError,
)
from skylift.provider import BusyError, ProviderError, Rejected
from skylift.security.sealing import SealError
from skylift.store.engine import StoreBusyError
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
    (BusyError, 503),
    (ProviderError, 502),
)
RETRY_AFTER = 1.0
"""Seconds, where nobody knows better."""


def install(app: FastAPI) -> None:
    """Make the app answer in these shapes."""
    app.add_exception_handler(SkyliftError, skylift_error)
    app.add_exception_handler(RequestValidationError, request_error)
    app.add_exception_handler(IntegrityError, integrity_error)
    app.add_exception_handler(OperationalError, database_error)
    app.add_exception_handler(Exception, any_error)


def skylift_error(request: Request, error: Exception) -> JSONResponse:
    """One of our own."""
    status = next((status for family, status in STATUSES if isinstance(error, family)), 500)
    body: dict[str, Any] = {"detail": str(error)}
    if isinstance(error, InvalidError):
        where = error.field.split(".") if error.field else []
        body |= _invalid([{"loc": ["body", *where], "msg": str(error), "type": "value_error"}])
    if remedy := getattr(error, "remedy", None):
        body["remedy"] = remedy
    if status == 500:
        logger.error("%s %s: %s", request.method, request.url.path, error, exc_info=error)
    return JSONResponse(body, status, headers=_headers(status, error))


def request_error(_request: Request, error: Exception) -> JSONResponse:
    """A request that does not fit the route's models. The inputs may be secrets, so they are left out."""
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this type
    found = [{key: each[key] for key in ("loc", "msg", "type") if key in each} for each in error.errors()]
    first = found[0] if found else {"loc": (), "msg": "invalid"}
    where = ".".join(map(str, first["loc"]))
    return JSONResponse({"detail": f"{where}: {first['msg']}", **_invalid(found)}, 422)


def integrity_error(request: Request, error: Exception) -> JSONResponse:
    """A constraint of the database caught what two requests did at the same moment."""
    logger.info("%s %s: %s", request.method, request.url.path, type(error).__name__)
    return JSONResponse(
        {"detail": "Another request was faster, and took this name or changed this object: look, then try again"}, 409
    )


def database_error(request: Request, error: Exception) -> JSONResponse:
    """The database does not answer, or has no room. Clients come back after a 503."""
    orig = getattr(error, "orig", None)
    logger.error("%s %s: the database failed: %s", request.method, request.url.path, type(orig).__name__)
    return JSONResponse(
        {"detail": "The database does not answer just now: try again"}, 503, headers=_headers(503, error)
    )


def any_error(request: Request, error: Exception) -> JSONResponse:
    """A fault of ours. What it was is in the log, not in the answer."""
    logger.error("%s %s failed: %s", request.method, request.url.path, type(error).__name__)
    return JSONResponse(
        {
            "exception_message": "Internal Server Error",
            "detail": "Skylift failed to answer this request; the server's log says why.",
        },
        500,
    )


def answer(sentence: str, status: int) -> JSONResponse:
    """A refusal that no exception stands for, in the same shape."""
    body: dict[str, Any] = {"detail": sentence}
    if status == 422:
        body |= _invalid([{"loc": ["body"], "msg": sentence, "type": "value_error"}])
    return JSONResponse(body, status)


def _invalid(details: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "exception_message": "Invalid request received.",
        "exception_detail": details,
        "request_body": None,
    }


def _headers(status: int, error: Exception) -> dict[str, str] | None:
    if status == 503:
        after = getattr(error, "retry_after", None) or RETRY_AFTER
        return {"Retry-After": str(max(1, round(after)))}
    return {"WWW-Authenticate": "Bearer"} if status == 401 else None
