"""The container group of an ARM template, as Prefect's pools have it and users customise it.

Skylift does not deploy the template (that would need more rights, and fill the resource group's history of deployments,
which ends at 800): it sends the one container group that is in it. So the expressions that Prefect's own template uses
are understood, and everything else is refused by name: `[parameters('…')]` with a literal default value, and
`[resourceGroup().location]`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from skylift.provider import Rejected
from skylift_container_instance.place import TYPE
from skylift_container_instance.views import CONTAINER

OURS = ("container_group_name", "container_name")
"""Parameters that Skylift has its own values for."""
LOCATION = "[resourceGroup().location]"
KNOWN = {"type", "apiVersion", "name", "location", "properties", "tags", "identity", "zones", "comments", "dependsOn"}


def container_group(template: Mapping[str, Any]) -> dict[str, Any]:
    """`properties`, and what there is of `location`, `tags`, `identity`, `zones`. The container of the run is the first
    one, and gets our name; the location is left out where it is the resource group's. Raises `Rejected`."""
    resources = template.get("resources")
    groups = [each for each in resources if isinstance(each, dict)] if isinstance(resources, list) else []
    if len(groups) != 1 or str(groups[0].get("type", "")).lower() != TYPE.lower():
        raise refused("resources", f"has to hold one resource of type {TYPE}, and no other")
    unknown = sorted(set(groups[0]) - KNOWN)
    if unknown:
        raise refused(f"resources[0].{unknown[0]}", "is not a part of a container group that is known here")
    parameters = template.get("parameters")
    defaults = {
        name: each.get("defaultValue")
        for name, each in (parameters if isinstance(parameters, dict) else {}).items()
        if isinstance(each, dict)
    }
    wanted = {
        key: groups[0][key] for key in ("properties", "location", "tags", "identity", "zones") if key in groups[0]
    }
    made: dict[str, Any] = _resolved(wanted, defaults, "resources[0]")
    if made.get("location") == LOCATION:
        del made["location"]
    properties = made.setdefault("properties", {})
    if properties.get("restartPolicy", "Never") != "Never":
        raise refused("resources[0].properties.restartPolicy", "has to be Never: a run is started once")
    containers = properties.get("containers") or [{}]
    containers[0] = {**containers[0], "name": CONTAINER}
    properties["containers"] = containers
    return made


def merged(base: Any, over: Any) -> Any:
    """Objects key by key; anything else is replaced."""
    if not isinstance(base, dict) or not isinstance(over, dict):
        return over
    both = {key: merged(base[key], over[key]) for key in base.keys() & over.keys()}
    return {**base, **over, **both}


def refused(where: str, problem: str) -> Rejected:
    return Rejected(
        f"The ARM template cannot be used: arm_template.{where} {problem}",
        remedy="Correct 'arm_template' in the pool's base job template, or leave it out and use the job variables",
    )


def _resolved(value: Any, defaults: Mapping[str, Any], where: str) -> Any:
    if isinstance(value, dict):
        return {key: _resolved(each, defaults, f"{where}.{key}") for key, each in value.items()}
    if isinstance(value, list):
        return [_resolved(each, defaults, f"{where}[{number}]") for number, each in enumerate(value)]
    if not isinstance(value, str) or not value.startswith("[") or not value.endswith("]"):
        return value
    if value.startswith("[["):  # how a template writes a text that begins with a bracket
        return value[1:]
    parameter = re.fullmatch(r"\[\s*parameters\(\s*'([^']+)'\s*\)\s*\]", value)
    if parameter and parameter[1] in OURS:
        return CONTAINER
    if parameter and defaults.get(parameter[1]) is not None:
        value = defaults[parameter[1]]
    if isinstance(value, str) and value.replace(" ", "") == LOCATION and where == "resources[0].location":
        return LOCATION
    if isinstance(value, str) and value.startswith("["):
        raise refused(where, "is an expression, and Skylift computes none but parameters with a default value")
    return value
