"""What may stand in a container group that is put, by Microsoft's own description of it.

The SDK's models are generated from the published description (Microsoft.ContainerInstance, API version 2023-05-01):
their attribute maps hold its property names and types, their validation maps what is required and what is read-only,
and their enums its enums. Beside it stand the rules that only Microsoft's pages tell.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Any

from azure.mgmt.containerinstance import models

ENUMS: dict[tuple[str, str], type[Enum]] = {
    ("ContainerGroup", "restart_policy"): models.ContainerGroupRestartPolicy,
    ("ContainerGroup", "os_type"): models.OperatingSystemTypes,
    ("ContainerGroup", "sku"): models.ContainerGroupSku,
    ("ContainerGroup", "priority"): models.ContainerGroupPriority,
    ("ContainerGroupIdentity", "type"): models.ResourceIdentityType,
    ("GpuResource", "sku"): models.GpuSku,
    ("LogAnalytics", "log_type"): models.LogAnalyticsLogType,
}
NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
VARIABLE = re.compile(r"[A-Za-z0-9](\w*[A-Za-z0-9])?|[A-Za-z0-9]", re.ASCII)
LONGEST_VARIABLE = 63
SCALARS: dict[str, tuple[type, ...]] = {"str": (str,), "int": (int,), "bool": (bool,), "float": (int, float)}


class Invalid(Exception):  # noqa: N818 - the request is
    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def check_group(name: str, body: Any) -> None:
    """Raises `Invalid`, in Azure's manner."""
    for problem in _problems("ContainerGroup", body, ""):
        raise Invalid("InvalidRequestContent", f"The request content was invalid: {problem}")
    if not NAME.fullmatch(name):
        raise Invalid("InvalidContainerGroupName", f"The container group name '{name}' is invalid.")
    if not body.get("location"):
        raise Invalid("LocationRequired", "The location property is required for this definition.")
    _check_tags(body.get("tags") or {})
    properties = body["properties"]
    for container in properties["containers"]:
        _check_container(container)
    identities = {each.lower() for each in (body.get("identity") or {}).get("userAssignedIdentities") or {}}
    for registry in properties.get("imageRegistryCredentials") or []:
        if "identity" in registry and registry["identity"].lower() not in identities:
            raise Invalid(
                "InvalidImageRegistryIdentity", "The registry's identity is not one of the container group's."
            )
        if "identity" not in registry and not (registry.get("username") and registry.get("password")):
            raise Invalid("InvalidImageRegistryCredential", "The registry needs a user name and a password.")
    if properties.get("priority") == "Spot" and properties.get("subnetIds"):
        raise Invalid("SpotPriorityContainerGroupNotSupportedInVNet", "Spot is not supported in a virtual network.")


def _check_tags(tags: Mapping[str, str]) -> None:
    wrong = [name for name in tags if re.search(r"[<>%&\\?/\x00-\x1f]", name) or len(name) > 512]
    if wrong or len({each.lower() for each in tags}) < len(tags):
        raise Invalid("InvalidTagNameCharacters", f"The tag names '{', '.join(wrong)}' have reserved characters.")
    if len(tags) > 50 or any(len(each) > 256 for each in tags.values()):
        raise Invalid("InvalidTags", "Too many tags, or too long ones.")


def _check_container(container: Mapping[str, Any]) -> None:
    if not NAME.fullmatch(container["name"]):
        raise Invalid("InvalidContainerName", f"The container name '{container['name']}' is invalid.")
    properties = container["properties"]
    asked = properties["resources"]["requests"]
    if asked["cpu"] <= 0 or asked["memoryInGB"] <= 0:
        raise Invalid("ResourceRequestsNotSpecified", "cpu and memory must be more than 0.")
    for each in properties.get("environmentVariables") or []:
        if len(each["name"]) > LONGEST_VARIABLE or not VARIABLE.fullmatch(each["name"]):
            raise Invalid("InvalidEnvironmentVariableName", f"The name '{each['name']}' is invalid.")
        if ("value" in each) == ("secureValue" in each):
            raise Invalid("InvalidEnvironmentVariable", f"'{each['name']}' needs one of value and secureValue.")
    names = {each["name"] for each in properties.get("volumeMounts") or []}
    if any(":" in each["mountPath"] for each in properties.get("volumeMounts") or []) or "" in names:
        raise Invalid("InvalidVolumeMount", "The mount path is invalid.")


def _problems(model: str, value: Any, where: str) -> Iterator[str]:
    """Every way in which the value is not what the model of this name says."""
    if not isinstance(value, dict):
        yield f"{where or 'it'} must be an object"
        return
    kind = getattr(models, model)
    known: set[str] = set()
    for attribute, described in kind._attribute_map.items():
        path = [each.replace("\\.", ".") for each in re.split(r"(?<!\\)\.", described["key"])]
        known |= {".".join(path[: number + 1]) for number in range(len(path))}
        rules = kind._validation.get(attribute, {})
        found = _at(value, path)
        name = ".".join(filter(None, [where, *path]))
        if found is None:
            if rules.get("required"):
                yield f"{name} is required"
        elif rules.get("readonly"):
            yield f"{name} is read-only"
        else:
            yield from _wrong(described["type"], found, name)
            allowed = [str(each.value) for each in ENUMS.get((model, attribute), ())]
            if allowed and found not in allowed:
                yield f"{name} must be one of {', '.join(allowed)}"
    nested = {each.split(".")[0] for each in known if "." in each}
    for key, inner in value.items():
        if key not in known:
            yield f"Could not find member '{key}' on {model}"
        elif key in nested and isinstance(inner, dict):
            yield from (f"Could not find member '{each}' on {model}" for each in inner if f"{key}.{each}" not in known)


def _wrong(kind: str, value: Any, where: str) -> Iterator[str]:
    if kind in SCALARS:
        fits = isinstance(value, SCALARS[kind]) and (kind == "bool" or not isinstance(value, bool))
        if not fits:
            yield f"{where} must be a {kind}"
    elif kind.startswith("["):
        if not isinstance(value, list):
            yield f"{where} must be an array"
            return
        for number, each in enumerate(value):
            yield from _wrong(kind[1:-1], each, f"{where}[{number}]")
    elif kind.startswith("{"):
        if not isinstance(value, dict):
            yield f"{where} must be an object"
            return
        for key, each in value.items():
            yield from _wrong(kind[1:-1], each, f"{where}.{key}")
    elif kind != "object":
        yield from _problems(kind, value, where)


def _at(value: Any, path: list[str]) -> Any:
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value
