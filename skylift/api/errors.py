"""How errors look on the wire: as `skylift.replies` has them, and requests that do not fit a route's models."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import IntegrityError, OperationalError

from skylift import replies
from skylift.errors import SkyliftError


def install(app: FastAPI) -> None:
    """Make the app answer in these shapes."""
    for family in (SkyliftError, IntegrityError, OperationalError, Exception):
        app.add_exception_handler(family, any_error)
    app.add_exception_handler(RequestValidationError, request_error)


def any_error(request: Request, error: Exception) -> JSONResponse:
    """Whatever went wrong."""
    return response(replies.of_error(error, f"{request.method} {request.url.path}"))


def request_error(_request: Request, error: Exception) -> JSONResponse:
    """A request that does not fit the route's models. The inputs may be secrets, so they are left out.

    What is no id is nothing's id: as in the dialect, whose routes do not even match then.
    """
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this type
    faults = error.errors()
    if faults and all(each["loc"][0] == "path" and each["type"] == "uuid_parsing" for each in faults):
        return answer(f"There is no such thing: {faults[0]['loc'][-1]} is a UUID", 404)
    found = [{key: each[key] for key in ("loc", "msg", "type") if key in each} for each in faults]
    first = found[0] if found else {"loc": (), "msg": "invalid"}
    where = ".".join(map(str, first["loc"]))
    return JSONResponse({"detail": f"{where}: {first['msg']}", **replies.invalid(found)}, 422)


def response(reply: replies.Reply) -> JSONResponse:
    """For a route that has its answer already."""
    return JSONResponse(reply.body, reply.status, headers=dict(reply.headers))


def answer(sentence: str, status: int) -> JSONResponse:
    """A refusal that no exception stands for, in the same shape."""
    body: dict[str, Any] = {"detail": sentence}
    if status == 422:
        body |= replies.invalid([{"loc": ["body"], "msg": sentence, "type": "value_error"}])
    return JSONResponse(body, status)
