"""Pure: what ECS accepts of a RunTask, by its documentation; the request's shape was checked by the service's model."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

FARGATE_SIZES = {
    "256": {512, 1024, 2048},
    "512": {*range(1024, 4097, 1024)},
    "1024": {*range(2048, 8193, 1024)},
    "2048": {*range(4096, 16385, 1024)},
    "4096": {*range(8192, 30721, 1024)},
    "8192": {*range(16384, 61441, 4096)},
    "16384": {*range(32768, 122881, 8192)},
}


class RefusedError(Exception):
    """ECS answers with this error, having done nothing."""

    def __init__(self, code: str, message: str, **fields: Any) -> None:
        super().__init__(message)
        self.code, self.fields = code, fields


def invalid(message: str) -> RefusedError:
    return RefusedError("InvalidParameterException", message)


def providers_of(request: Mapping[str, Any]) -> list[str]:
    return [each["capacityProvider"] for each in request.get("capacityProviderStrategy") or []]


def is_fargate(request: Mapping[str, Any]) -> bool:
    providers = providers_of(request)
    return (
        all(each.startswith("FARGATE") for each in providers) if providers else request.get("launchType") == "FARGATE"
    )


def check(request: Mapping[str, Any], definition: Mapping[str, Any]) -> None:
    """Raises `RefusedError`."""
    if not 1 <= request.get("count", 1) <= 10:
        raise invalid("Task count must be between 1 and 10")
    if request.get("launchType") and request.get("capacityProviderStrategy"):
        raise invalid("Specifying both a launch type and capacity provider strategy is not supported.")
    token, started_by = request.get("clientToken", ""), request.get("startedBy", "")
    if len(token) > 64 or re.search(r"[^!-~]", token):
        raise invalid("clientToken must be at most 64 characters of ASCII 33 to 126")
    if not re.fullmatch(r"[\w/-]{0,128}", started_by, re.ASCII):
        raise invalid("startedBy is not valid")
    _check_tags(request.get("tags") or [])
    _check_overrides(request.get("overrides") or {}, definition)
    _check_network(request, definition)
    if is_fargate(request):
        _check_fargate(request, definition)


def _check_tags(tags: list[dict[str, str]]) -> None:
    keys = [each["key"] for each in tags]
    if len(keys) > 50 or len(set(keys)) != len(keys):
        raise invalid("Too many tags, or duplicate tag keys")
    for each in tags:
        key, value = each["key"], each.get("value", "")
        bad = re.search(r"[^\w\s.:/=+\-@]", key + value)
        if not 1 <= len(key) <= 128 or len(value) > 256 or key.lower().startswith("aws:") or bad:
            raise invalid("Some tags contain invalid characters or are too long")


def _check_overrides(overrides: Mapping[str, Any], definition: Mapping[str, Any]) -> None:
    if len(json.dumps(overrides, separators=(",", ":"))) > 8192:
        raise invalid("Container Overrides length must be at most 8192")
    names = {each["name"] for each in definition["containerDefinitions"]}
    for each in overrides.get("containerOverrides") or []:
        if each.get("name") not in names:
            raise invalid(f"Override for container named {each.get('name')} is not a container in the TaskDefinition.")


def _check_network(request: Mapping[str, Any], definition: Mapping[str, Any]) -> None:
    network = (request.get("networkConfiguration") or {}).get("awsvpcConfiguration")
    if definition.get("networkMode") == "awsvpc":
        if not network:
            raise invalid("Network Configuration must be provided when networkMode 'awsvpc' is specified.")
        if not 1 <= len(network["subnets"]) <= 16:
            raise invalid("subnets can have at most 16 items.")
    elif network:
        raise invalid("Network Configuration is not valid for the given networkMode of this task definition.")


def _check_fargate(request: Mapping[str, Any], definition: Mapping[str, Any]) -> None:
    if "FARGATE" not in (definition.get("requiresCompatibilities") or []):
        raise invalid("Task definition does not support launch_type FARGATE.")
    overrides = request.get("overrides") or {}
    cpu = overrides.get("cpu") or definition.get("cpu") or ""
    memory = overrides.get("memory") or definition.get("memory") or "0"
    if int(memory) not in FARGATE_SIZES.get(cpu, set()):
        raise RefusedError("ClientException", "No Fargate configuration exists for given values.")
    for each in definition["containerDefinitions"]:
        if not 0 <= each.get("stopTimeout", 30) <= 120:
            raise RefusedError("ClientException", "stopTimeout must be at most 120 seconds on Fargate")


def check_definition(request: Mapping[str, Any]) -> None:
    """What ECS accepts of a RegisterTaskDefinition. Raises `RefusedError`."""
    if not re.fullmatch(r"[\w-]{1,255}", request["family"], re.ASCII):
        raise RefusedError("ClientException", "Family contains invalid characters.")
    _check_tags(request.get("tags") or [])
    fargate = "FARGATE" in (request.get("requiresCompatibilities") or [])
    if fargate and int(request.get("memory", 0)) not in FARGATE_SIZES.get(request.get("cpu", ""), set()):
        raise RefusedError("ClientException", "No Fargate configuration exists for given values.")
    if fargate and request.get("networkMode") != "awsvpc":
        raise RefusedError("ClientException", "Fargate only supports network mode 'awsvpc'.")
    for each in request["containerDefinitions"]:
        logs = (each.get("logConfiguration") or {}).get("logDriver") == "awslogs"
        for what, wanted in (("log driver awslogs", logs), ("secrets", bool(each.get("secrets")))):
            if wanted and fargate and not request.get("executionRoleArn"):
                message = f"Fargate requires task definition to have execution role ARN to support {what}."
                raise RefusedError("ClientException", message)
