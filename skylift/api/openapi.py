"""What the OpenAPI document says beyond the routes themselves: credentials, and how refusals look."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import APIRouter, FastAPI

from skylift.api import scopes
from skylift.api.scopes import Scope

METHODS = ("get", "post", "put", "patch", "delete", "options")
ERRORS = {
    "401": "Credentials are missing or not valid",
    "403": "The caller may not do this: the sentence says what it takes",
    "404": "There is no such thing",
    "409": "It conflicts with what is there, or another request was faster",
    "413": "The body is too large",
    "422": "The request does not fit: `exception_detail` names what and where",
}
SCHEMES = {
    "Bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "An API key, or the token of a run. While there is no key, people need none.",
    },
    "Basic": {"type": "http", "scheme": "basic", "description": "The same as the password, with any name."},
}
REFUSAL = {
    "title": "Refusal",
    "type": "object",
    "required": ["detail"],
    "properties": {
        "detail": {"type": "string", "description": "A sentence for people"},
        "remedy": {"type": "string", "description": "What to do about it, where that is known"},
        "exception_message": {"type": "string"},
        "exception_detail": {
            "type": "array",
            "description": "Of a request that does not fit: each fault, and where it is",
            "items": {
                "type": "object",
                "properties": {
                    "loc": {"type": "array", "items": {"type": ["string", "integer"]}},
                    "msg": {"type": "string"},
                    "type": {"type": "string"},
                },
            },
        },
        "request_body": {"type": "null", "description": "Never told: it may hold secrets"},
    },
}


def install(app: FastAPI, routers: Mapping[str, Sequence[APIRouter]]) -> None:
    """Complete the document that the app serves, of these routers by their prefixes."""
    generate = app.openapi
    open_paths = {
        prefix + getattr(route, "path", "")
        for prefix, some in routers.items()
        for router in some
        for route in router.routes
        if scopes.declared(route) is Scope.OPEN
    }

    def openapi() -> dict[str, Any]:
        is_new = app.openapi_schema is None
        document = generate()
        if is_new:
            _complete(document, open_paths)
        return document

    app.openapi = openapi  # type: ignore[method-assign]


def _complete(document: dict[str, Any], open_paths: set[str]) -> None:
    components = document.setdefault("components", {})
    components["securitySchemes"] = SCHEMES
    schemas = components.setdefault("schemas", {})
    schemas["Refusal"] = REFUSAL
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if method in METHODS:
                _complete_operation(operation, is_open=path in open_paths)


def _complete_operation(operation: dict[str, Any], *, is_open: bool) -> None:
    operation["security"] = [] if is_open else [{name: []} for name in SCHEMES]
    answers = operation["responses"]
    for status, meaning in ERRORS.items():
        if not (is_open and status in ("401", "403")):
            content = {"application/json": {"schema": {"$ref": "#/components/schemas/Refusal"}}}
            answers[status] = {"description": meaning, "content": content}
