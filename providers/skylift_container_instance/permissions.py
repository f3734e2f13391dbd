"""What the façade's calls need, as data: for the provisioner's role, for `check`, for the local cloud to enforce."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

Use = Literal["runs", "identities", "subnets", "check"]
"""runs: every pool needs it. identities, subnets: pools that set those variables. check: only `work-pool check`."""


@dataclass(frozen=True, slots=True)
class Permission:
    """One action of Azure's role-based access control."""

    action: str
    use: Use
    calls: tuple[str, ...]
    """The operations that need it, by their names in Azure's published API description."""


_ACI = "Microsoft.ContainerInstance"
PERMISSIONS = (
    Permission(f"{_ACI}/containerGroups/read", "runs", ("ContainerGroups_Get", "ContainerGroups_ListByResourceGroup")),
    Permission(f"{_ACI}/containerGroups/write", "runs", ("ContainerGroups_CreateOrUpdate",)),
    Permission(f"{_ACI}/containerGroups/stop/action", "runs", ("ContainerGroups_Stop",)),
    Permission(f"{_ACI}/containerGroups/delete", "runs", ("ContainerGroups_Delete",)),
    Permission(f"{_ACI}/containerGroups/containers/logs/read", "runs", ("Containers_ListLogs",)),
    Permission("Microsoft.Resources/subscriptions/resourceGroups/read", "runs", ("ResourceGroups_Get",)),
    Permission(
        "Microsoft.ManagedIdentity/userAssignedIdentities/assign/action",
        "identities",
        ("ContainerGroups_CreateOrUpdate",),
    ),
    Permission("Microsoft.Network/virtualNetworks/subnets/join/action", "subnets", ("ContainerGroups_CreateOrUpdate",)),
    Permission(f"{_ACI}/locations/usages/read", "check", ("Location_ListUsage",)),
    Permission("Microsoft.Authorization/permissions/read", "check", ("Permissions_ListForResourceGroup",)),
    Permission("Microsoft.ManagedIdentity/userAssignedIdentities/read", "check", ("UserAssignedIdentities_Get",)),
    Permission("Microsoft.Network/virtualNetworks/subnets/read", "check", ("Subnets_Get",)),
)


def allows(granted: list[tuple[list[str], list[str]]], action: str) -> bool:
    """Whether roles, as pairs of allowed and excepted patterns, add up to this action."""
    return any(_among(action, actions) and not _among(action, excepted) for actions, excepted in granted)


def _among(action: str, patterns: list[str]) -> bool:
    return any(fnmatchcase(action.lower(), pattern.lower()) for pattern in patterns)
