"""What `work-pool check` finds out by reading only: who we are, what we may, and whether what a pool names is there."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from skylift.provider import Finding, ProviderError
from skylift_container_instance.client import Client, client_for
from skylift_container_instance.errors import NotThere
from skylift_container_instance.permissions import PERMISSIONS, Use, allows
from skylift_container_instance.place import TYPE, Place
from skylift_container_instance.request import DEFAULT_IMAGE

PERMISSIONS_API, SUBNETS_API, IDENTITIES_API = "2022-04-01", "2023-09-01", "2023-01-31"
NEARLY = 0.8
"""The share of a quota from which on it is worth a word."""


def check(configuration: Mapping[str, Any]) -> Sequence[Finding]:
    """See `skylift.provider.Checks`."""
    place = Place.of(configuration)
    if not place:
        return [
            Finding(
                "Place",
                "failed",
                "The pool's defaults name no subscription or no resource group",
                "Set the variables 'subscription_id' and 'resource_group_name'",
            )
        ]
    try:
        client = client_for(place)
        who = _who(client.token())
    except ProviderError as error:
        return [Finding("Identity", "failed", str(error), error.remedy)]
    found = [Finding("Identity", "ok", who)]
    for what, look in _looks(client, place, configuration):
        try:
            found += look()
        except ProviderError as error:
            is_wrong = isinstance(error, NotThere)
            found.append(Finding(what, "failed" if is_wrong else "unknown", str(error), error.remedy))
    return found + list(_by_itself(configuration))


def _looks(
    client: Client, place: Place, configuration: Mapping[str, Any]
) -> list[tuple[str, Callable[[], list[Finding]]]]:
    uses: list[Use] = ["runs"]
    identities = [str(each) for each in configuration.get("identities") or []]
    subnets = [str(each) for each in configuration.get("subnet_ids") or []]
    uses += ["identities"] if identities else []
    uses += ["subnets"] if subnets else []
    location = str(configuration.get("location") or "")
    return [
        ("Resource group", lambda: _resource_group(client, place)),
        ("Permissions", lambda: _permissions(client, place, uses)),
        ("Quota", lambda: _quota(client, location or client.location_of(place))),
        *(("Identity", lambda each=each: _identity(client, each)) for each in identities),
        *(("Network", lambda each=each: _subnet(client, each)) for each in subnets),
    ]


def _resource_group(client: Client, place: Place) -> list[Finding]:
    location = client.read(place.id, "2021-04-01").get("location")
    return [Finding("Resource group", "ok", f"{place.resource_group} is there, in {location}")]


def _permissions(client: Client, place: Place, uses: list[Use]) -> list[Finding]:
    answer = client.read(f"{place.id}/providers/Microsoft.Authorization/permissions", PERMISSIONS_API)
    granted = [(each.get("actions") or [], each.get("notActions") or []) for each in answer.get("value") or []]
    missing = [each.action for each in PERMISSIONS if each.use in uses and not allows(granted, each.action)]
    if not missing:
        return [Finding("Permissions", "ok", "All that runs need is allowed on the resource group")]
    elsewhere = ("Microsoft.ManagedIdentity/", "Microsoft.Network/")
    here = [each for each in missing if not each.startswith(elsewhere)]
    message = f"Not allowed on the resource group: {', '.join(missing)}"
    if here:
        return [Finding("Permissions", "failed", message, f"Assign a role with these actions on {place.id}")]
    remedy = "They may be allowed on the identity or the subnet itself, which is enough"
    return [Finding("Permissions", "unknown", message, remedy)]


def _quota(client: Client, location: str) -> list[Finding]:
    used_up: list[str] = []
    nearly: list[str] = []
    told: list[str] = []
    for usage in client.usages(location):
        if not usage.limit:
            continue
        told.append(f"{usage.name} {usage.used} of {usage.limit}")
        if usage.name in ("ContainerGroups", "StandardCores") and usage.used >= usage.limit * NEARLY:
            (used_up if usage.used >= usage.limit else nearly).append(usage.name)
    message = f"In {location}: {', '.join(told) or 'Azure names no quota'}"
    remedy = "Ask for more in the portal: Help + support, issue type Quota, Container Instances"
    if used_up or nearly:
        return [Finding("Quota", "failed" if used_up else "warning", message, remedy)]
    return [Finding("Quota", "ok", message)]


def _identity(client: Client, resource_id: str) -> list[Finding]:
    client.read(resource_id, IDENTITIES_API)
    return [Finding("Identity", "ok", f"{resource_id.rpartition('/')[2]} is there for the containers")]


def _subnet(client: Client, resource_id: str) -> list[Finding]:
    properties = client.read(resource_id, SUBNETS_API).get("properties") or {}
    services = [(each.get("properties") or {}).get("serviceName") for each in properties.get("delegations") or []]
    name = resource_id.rpartition("/")[2]
    if TYPE in services:
        return [Finding("Network", "ok", f"The subnet {name} is delegated to container groups")]
    remedy = f"Delegate it: az network vnet subnet update --ids {resource_id} --delegations {TYPE}"
    return [Finding("Network", "failed", f"The subnet {name} is not delegated to {TYPE}", remedy)]


def _by_itself(configuration: Mapping[str, Any]) -> Iterator[Finding]:
    """What can be said without asking anybody."""
    image = str(configuration.get("image") or DEFAULT_IMAGE)
    host = image.split("/")[0] if "." in image.split("/")[0] else ""
    registry = configuration.get("image_registry")
    tag = image.rpartition("/")[2]
    if host.endswith(".azurecr.io") and not registry:
        remedy = "Set 'image_registry' to the registry's address and an identity that may pull (role AcrPull)"
        yield Finding("Image", "warning", f"{image} is in a private registry, and nothing says how to get in", remedy)
    elif "@" not in tag and (":" not in tag or tag.endswith("latest")):
        remedy = "Name a tag that is never moved, or a digest"
        yield Finding(
            "Image", "warning", f"{image} may be another image tomorrow; whether it is there, runs show", remedy
        )
    else:
        yield Finding("Image", "unknown", f"Whether {image} can be pulled, only a run shows")
    spot = configuration.get("priority") == "Spot"
    if spot and (configuration.get("subnet_ids") or configuration.get("zones")):
        yield Finding("Spot", "failed", "Azure offers Spot neither in a subnet nor in a zone", "Drop one of the two")
    if configuration.get("gpu_count") and configuration.get("subnet_ids"):
        yield Finding("GPU", "failed", "Azure offers GPUs only outside of subnets", "Drop 'subnet_ids' or 'gpu_count'")


def _who(token: str) -> str:
    """From the token's own claims, which nobody but Azure has to believe."""
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (IndexError, ValueError, binascii.Error):
        return "Azure has given a token"
    name = claims.get("app_displayname") or claims.get("appid") or claims.get("oid") or "somebody without a name"
    return f"Signed in as {name}, tenant {claims.get('tid') or 'unknown'}"
