"""AWS's ways of putting a request and an error on the wire, by botocore's own service models."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

import botocore.session
from botocore.validate import ParamValidator

from tests.clouds.http_cloud import Answer, Request
from tests.clouds.mischief import Kind

S3_OPERATIONS = {
    ("PUT", True): "PutObject",
    ("GET", True): "GetObject",
    ("HEAD", True): "HeadObject",
    ("DELETE", True): "DeleteObject",
    ("GET", False): "ListObjectsV2",
    ("HEAD", False): "HeadBucket",
    ("PUT", False): "CreateBucket",
}
S3_ACTIONS = {"ListObjectsV2": "ListBucket", "HeadBucket": "ListBucket", "HeadObject": "GetObject"}
SERVICES = {"servicequotas": "service-quotas"}
"""Names of service models by names in signatures, where they differ."""
WHO = "User: arn:aws:sts::000000000000:assumed-role/skylift/skylift"


@dataclass(frozen=True, slots=True)
class Asked:
    """One request, understood."""

    service: str
    """As in actions: `ecs`, `logs`, `s3`."""
    operation: str
    parameters: Mapping[str, Any]
    secret: Any = None

    def denied(self, action: str, resource: str = "") -> Answer:
        """AWS's own words for a right that is missing."""
        codes = {"ec2": "UnauthorizedOperation", "s3": "AccessDenied", "sts": "AccessDenied", "iam": "AccessDenied"}
        on = f" on resource: {resource}" if resource else ""
        message = f"{WHO} is not authorized to perform: {action}{on} because no identity-based policy allows it"
        return error(self.service, codes.get(self.service, "AccessDeniedException"), message, 403)

    @property
    def action(self) -> str:
        name = S3_ACTIONS.get(self.operation, self.operation) if self.service == "s3" else self.operation
        if self.service == "sqs":
            name = name.removesuffix("Batch")
        return f"{self.service}:{name}"


class Malformed(Exception):  # noqa: N818 - the request is
    """The request does not fit the service's model."""


@cache
def model(service: str) -> Any:
    session = botocore.session.get_session()
    return session.get_service_model(SERVICES.get(service, service))


def understand(request: Request) -> Asked:
    """Raises `Malformed`."""
    found = re.search(r"Credential=[^/]+/\d+/[\w-]+/([\w-]+)/aws4_request", request.headers.get("authorization", ""))
    if not found:
        raise Malformed("the request is not signed")
    service = found[1]
    if service == "s3":
        key = request.path.strip("/").partition("/")[2]
        operation = S3_OPERATIONS[request.method, bool(key)]
        secret = request.body.decode(errors="replace") if operation == "PutObject" else None
        return Asked(service, operation, {"path": request.path, **request.query}, secret)
    target = request.headers.get("x-amz-target")
    if target:
        operation, parameters = target.rpartition(".")[2], request.json()
        validate(service, operation, parameters)
        return Asked(service, operation, *_apart(service, operation, parameters))
    form = dict(parse_qsl(request.body.decode(), keep_blank_values=True))
    return Asked(service, form.pop("Action"), form)


def _apart(service: str, operation: str, parameters: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What AWS shows, and the fields that its own model calls sensitive."""
    members = model(service).operation_model(operation).input_shape.members
    secret = {name for name in parameters if members[name].metadata.get("sensitive")}
    shown = {name: value for name, value in parameters.items() if name not in secret}
    return shown, {name: parameters[name] for name in secret}


def validate(service: str, operation: str, parameters: Mapping[str, Any]) -> None:
    """Raises `Malformed` where the parameters do not fit the service's own model."""
    shape = model(service).operation_model(operation).input_shape
    report = ParamValidator().validate(parameters, shape)
    if report.has_errors():
        raise Malformed(report.generate_report())


def error(service: str, code: str, message: str, status: int = 400, **fields: Any) -> Answer:
    """An answer as this service's protocol has it."""
    protocol = model(service).metadata["protocol"]
    if protocol == "json":
        body = json.dumps({"__type": code, "message": message, **fields}).encode()
        return Answer(status, body, {"Content-Type": "application/x-amz-json-1.1"})
    inner = f"<Error><Code>{escape(code)}</Code><Message>{escape(message)}</Message></Error>"
    xml = {
        "ec2": f"<Response><Errors>{inner}</Errors><RequestID>1</RequestID></Response>",
        "rest-xml": inner,
    }.get(protocol, f"<ErrorResponse>{inner}<RequestId>1</RequestId></ErrorResponse>")
    return Answer(status, xml.encode(), {"Content-Type": "text/xml"})


def refusal(asked: Asked, kind: Kind) -> Answer:
    """AWS's own words for a mischief."""
    throttled = {"ec2": "RequestLimitExceeded", "s3": "SlowDown", "sts": "Throttling"}
    broken = {"ecs": "ServerException", "s3": "InternalError"}
    match kind:
        case "throttle":
            return error(asked.service, throttled.get(asked.service, "ThrottlingException"), "Rate exceeded")
        case "no_room":
            told = "Capacity is unavailable at this time. Please try again later or in a different availability zone"
            return error(asked.service, "ClientException", told)
        case "deny":
            return asked.denied(asked.action)
        case _:
            return error(asked.service, broken.get(asked.service, "InternalFailure"), "Something went wrong", 500)


def ok(body: Any) -> Answer:
    """An answer of a JSON service."""
    return Answer(200, json.dumps(body).encode(), {"Content-Type": "application/x-amz-json-1.1"})
