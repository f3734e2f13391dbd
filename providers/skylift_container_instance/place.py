"""Where container groups are: which of Azure's clouds, whose subscription, which resource group, by whose credentials.

A group's name ends in its attempt's id, and its resource id is the handle: all that is needed to find it again.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from skylift.provider import Rejected, Watched

ENDPOINT = "SKYLIFT_AZURE_ENDPOINT"
AUTHORITY = "SKYLIFT_AZURE_AUTHORITY"
SUBSCRIPTION, RESOURCE_GROUP = "SKYLIFT_AZURE_SUBSCRIPTION", "SKYLIFT_AZURE_RESOURCE_GROUP"
"""Of managed pools, whose users choose no place."""
PUBLIC = "https://management.azure.com"
PORTALS = {
    "management.usgovcloudapi.net": "https://portal.azure.us",
    "management.chinacloudapi.cn": "https://portal.azure.cn",
}
"""Portals of the sovereign clouds, by the host of their Resource Manager."""
TYPE = "Microsoft.ContainerInstance/containerGroups"
LONGEST_SLUG = 30
"""Of the readable part of a group's name, which Azure limits to 63 characters: 32 are the attempt's, and a hyphen."""


@dataclass(frozen=True, slots=True)
class Azure:
    """One of Azure's clouds."""

    endpoint: str = PUBLIC
    authority: str | None = None
    """Where tokens are had; None: the public cloud's, or what the SDK finds by itself."""

    @classmethod
    def of_the_operator(cls) -> Azure:
        """As the service's own environment says; job variables have no say in it. Raises `Rejected`."""
        endpoint = os.environ.get(ENDPOINT, PUBLIC).rstrip("/")
        made = cls(endpoint, os.environ.get(AUTHORITY, "").rstrip("/") or None)
        if urlsplit(endpoint).scheme != "https" and not made.is_loopback:
            raise Rejected(
                f"The endpoint in {ENDPOINT} is not an https address, and tokens go there",
                remedy=f"Set {ENDPOINT}, where Skylift itself runs, to the Resource Manager's https address",
            )
        return made

    @property
    def is_loopback(self) -> bool:
        return urlsplit(self.endpoint).hostname in ("127.0.0.1", "::1", "localhost")

    @property
    def scope(self) -> str:
        """What tokens are asked for."""
        return f"{PUBLIC if self.is_loopback else self.endpoint}/.default"

    @property
    def portal(self) -> str:
        return PORTALS.get(urlsplit(self.endpoint).hostname or "", "https://portal.azure.com")


@dataclass(frozen=True, slots=True)
class Credentials:
    """Of a service principal, or the name of a managed identity; all None: what the service is signed in with."""

    client_id: str | None = None
    tenant_id: str | None = None
    client_secret: str | None = field(default=None, repr=False)

    @classmethod
    def of(cls, values: Mapping[str, Any] | None) -> Credentials:
        found = {name: (values or {}).get(name) for name in ("client_id", "tenant_id", "client_secret")}
        return cls(**{name: str(value) if value else None for name, value in found.items()})


@dataclass(frozen=True, slots=True)
class Place:
    """A resource group, and how it is reached."""

    subscription: str
    resource_group: str
    credentials: Credentials = Credentials()

    @classmethod
    def of(cls, configuration: Mapping[str, Any]) -> Place | None:
        """What a job configuration names, or else the operator; nothing else of it is looked at."""
        subscription = configuration.get("subscription_id") or os.environ.get(SUBSCRIPTION)
        group = configuration.get("resource_group_name") or os.environ.get(RESOURCE_GROUP)
        if not subscription or not group:
            return None
        return cls(str(subscription), str(group), Credentials.of(configuration.get("aci_credentials")))

    @property
    def id(self) -> str:
        return f"/subscriptions/{self.subscription}/resourceGroups/{self.resource_group}"

    def group_id(self, name: str) -> str:
        return f"{self.id}/providers/{TYPE}/{name}"

    def as_configuration(self) -> dict[str, Any]:
        """Enough of a job configuration to come back here."""
        credentials = self.credentials
        kept = {
            "client_id": credentials.client_id,
            "tenant_id": credentials.tenant_id,
            "client_secret": credentials.client_secret,
        }
        return {
            "subscription_id": self.subscription,
            "resource_group_name": self.resource_group,
            "aci_credentials": kept if credentials != Credentials() else None,
        }


_HANDLE = re.compile(r"/subscriptions/([^/]+)/resourceGroups/([^/]+)/providers/([^/]+/[^/]+)/([^/]+)", re.IGNORECASE)


def where_is(watched: Watched) -> tuple[Place, str] | None:
    """The place and the name of an attempt's group; None where neither handle nor configuration tell."""
    found = _HANDLE.fullmatch(watched.handle or "")
    if found and found[3].lower() == TYPE.lower():
        return Place(found[1], found[2], Credentials.of(watched.configuration.get("aci_credentials"))), found[4]
    place = Place.of(watched.configuration)
    return (place, group_name(watched.attempt_id, watched.configuration.get("name"))) if place else None


def group_name(attempt_id: UUID, name: Any = None) -> str:
    """Lower-case letters, digits and hyphens; the same for the same attempt and configuration."""
    slug = re.sub(r"[^a-z0-9]+", "-", str(name or "").lower())[:LONGEST_SLUG].strip("-")
    return f"{slug or 'skylift'}-{attempt_id.hex}"


def attempt_of(name: str) -> UUID | None:
    """The attempt that a group's name ends in."""
    found = re.fullmatch(r".*-([0-9a-f]{32})", name, re.IGNORECASE)
    return UUID(found[1]) if found else None
