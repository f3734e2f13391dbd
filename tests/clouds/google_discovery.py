"""Google's own discovery documents as the judge of both sides: which methods there are, what may be sent to them, and
what they may answer. The documents ship in `google-api-python-client`.
"""

from __future__ import annotations

import importlib.resources
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import googleapiclient

from tests.clouds.google_errors import ApiError

APIS = (
    "run.v2",
    "logging.v2",
    "secretmanager.v1",
    "cloudtasks.v2",
    "cloudresourcemanager.v3",
    "iamcredentials.v1",
    "iam.v1",
    "serviceusage.v1",
    "artifactregistry.v1",
    "pubsub.v1",
    "oauth2.v2",
)
SYSTEM_PARAMETERS = frozenset(["$alt", "alt", "prettyPrint", "key", "fields", "quotaUser"])
LAUNCH_STAGES = {0: "LAUNCH_STAGE_UNSPECIFIED", 1: "EARLY_ACCESS", 2: "ALPHA", 3: "BETA", 4: "GA", 5: "DEPRECATED"}
"""google.api.LaunchStage, whose documents list its names in another order than its numbers."""


@dataclass(frozen=True, slots=True)
class Method:
    """One method of one API."""

    api: str
    id: str
    verb: str
    pattern: re.Pattern[str]
    parameters: Mapping[str, Any]
    takes: str | None
    gives: str


class Invalid(ValueError):  # noqa: N818 - said of a value
    """Something does not fit its schema; the message is what Google says of requests."""


@cache
def schemas(api: str) -> Mapping[str, Any]:
    found: dict[str, Any] = _document(api)["schemas"]
    return found


@cache
def methods() -> tuple[Method, ...]:
    return tuple(each for api in APIS for each in _methods(api, _document(api)))


def find_method(verb: str, path: str) -> tuple[Method, dict[str, str]]:
    """The method and its path parameters. Raises `ApiError` (404)."""
    found = [(each, match) for each in methods() if each.verb == verb and (match := each.pattern.match(path))]
    if found:  # `secrets/{name}` fits `secrets/name:getIamPolicy`, too
        method, match = max(found, key=lambda one: len(one[0].pattern.pattern.rpartition(")")[2]))
        return method, match.groupdict()
    raise ApiError(404, "NOT_FOUND", f"Method not found: {verb} {path}")


def check_request(method: Method, query: Mapping[str, str], body: Any) -> Any:
    """The body with the names of enums in the place of numbers. Raises `ApiError` (400) as Google's front end does."""
    for name in query:
        if name not in method.parameters and name not in SYSTEM_PARAMETERS:
            raise ApiError(
                400, "INVALID_ARGUMENT", f'Invalid JSON payload received. Unknown name "{name}": Cannot bind query'
            )
    if method.takes is None:
        return body
    try:
        return conform(method.api, method.takes, body, "")
    except Invalid as error:
        raise ApiError(400, "INVALID_ARGUMENT", f"Invalid JSON payload received. {error}") from None


def check_answer(method: Method, answer: Any) -> None:
    """Raises `AssertionError`: the local cloud itself is wrong."""
    try:
        conform(method.api, method.gives, answer, "")
    except Invalid as error:
        raise AssertionError(f"{method.id} answers what Google never would: {error}") from None


def conform(api: str, schema: str, value: Any, where: str) -> Any:
    """The value, with enums by name. Raises `Invalid`."""
    if not isinstance(value, dict):
        raise Invalid(f"Invalid value at '{where}' ({schema})")
    properties = schemas(api)[schema].get("properties", {})
    unknown = next((name for name in value if name not in properties), None)
    if unknown:
        raise Invalid(f"Unknown name \"{unknown}\" at '{where}': Cannot find field.")
    return {
        name: _conform(api, properties[name], each, f"{where}.{name}".strip("."))
        for name, each in value.items()
        if each is not None
    }


def _conform(api: str, spec: Mapping[str, Any], value: Any, where: str) -> Any:
    if "$ref" in spec:
        return conform(api, spec["$ref"], value, where)
    match spec.get("type"):
        case "array":
            if not isinstance(value, list):
                raise Invalid(f"Invalid value at '{where}' (list)")
            return [_conform(api, spec["items"], each, f"{where}[{index}]") for index, each in enumerate(value)]
        case "object":
            if not isinstance(value, dict):
                raise Invalid(f"Invalid value at '{where}' (object)")
            inner = spec.get("additionalProperties", {})
            return {name: _conform(api, inner, each, f"{where}.{name}") for name, each in value.items()}
        case "string":
            return _string(spec, value, where)
        case "boolean":
            return _only(bool, value, where)
        case "integer":
            return _only(int, int(value) if isinstance(value, str) and value.lstrip("-").isdigit() else value, where)
    return value


def _string(spec: Mapping[str, Any], value: Any, where: str) -> str:
    names = spec.get("enum")
    if not names:
        if spec.get("format") == "google-duration" and not re.fullmatch(r"\d+(\.\d{1,9})?s", str(value)):
            raise Invalid(f"Invalid value at '{where}' (type.googleapis.com/google.protobuf.Duration), \"{value}\"")
        found: str = _only(str, value, where)
        return found
    if isinstance(value, int):
        by_number = LAUNCH_STAGES if "EARLY_ACCESS" in names else dict(enumerate(names))
        value = by_number.get(value, value)
    if value not in names:
        raise Invalid(f"Invalid value at '{where}': \"{value}\"")
    return str(value)


def _only(kind: type, value: Any, where: str) -> Any:
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise Invalid(f"Invalid value at '{where}' ({kind.__name__})")
    return value


def _document(api: str) -> dict[str, Any]:
    folder = importlib.resources.files(googleapiclient) / "discovery_cache" / "documents"
    document: dict[str, Any] = json.loads((folder / f"{api}.json").read_text())
    return document


def _methods(api: str, resource: Mapping[str, Any]) -> Iterator[Method]:
    for each in resource.get("methods", {}).values():
        yield Method(
            api=api,
            id=each["id"],
            verb=each["httpMethod"],
            pattern=_pattern(each),
            parameters=each.get("parameters", {}),
            takes=each.get("request", {}).get("$ref"),
            gives=each.get("response", {}).get("$ref", "Empty"),
        )
    for inner in resource.get("resources", {}).values():
        yield from _methods(api, inner)


def _pattern(method: Mapping[str, Any]) -> re.Pattern[str]:
    """`v2/{+name}:run` as an expression whose groups are the path parameters, each held to its own pattern."""
    parts = re.split(r"\{\+?([^}]+)\}", method["path"])
    text = "".join(
        f"(?P<{part}>{method['parameters'][part].get('pattern', '^[^/]+$')[1:-1]})" if index % 2 else re.escape(part)
        for index, part in enumerate(parts)
    )
    return re.compile(f"^/{text}$")
