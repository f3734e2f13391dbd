"""Which operation of Azure's a request to Resource Manager is, by the names of Microsoft's published description."""

from __future__ import annotations

import re
from collections.abc import Mapping

from tests.clouds.http_cloud import Request

GROUPS = r"/subscriptions/(?P<sub>[^/]+)/resourceGroups/(?P<rg>[^/]+)"
ACI = r"/providers/Microsoft\.ContainerInstance"
ONE = rf"{GROUPS}{ACI}/containerGroups/(?P<name>[^/]+)"
ROUTES = tuple(
    (method, re.compile(pattern, re.IGNORECASE), operation)
    for method, pattern, operation in (
        ("PUT", ONE, "ContainerGroups_CreateOrUpdate"),
        ("GET", ONE, "ContainerGroups_Get"),
        ("DELETE", ONE, "ContainerGroups_Delete"),
        ("POST", rf"{ONE}/stop", "ContainerGroups_Stop"),
        ("GET", rf"{ONE}/containers/(?P<container>[^/]+)/logs", "Containers_ListLogs"),
        ("GET", rf"{GROUPS}{ACI}/containerGroups", "ContainerGroups_ListByResourceGroup"),
        ("GET", rf"/subscriptions/(?P<sub>[^/]+){ACI}/locations/(?P<location>[^/]+)/usages", "Location_ListUsage"),
        ("GET", GROUPS, "ResourceGroups_Get"),
        ("GET", rf"{GROUPS}/providers/Microsoft\.Authorization/permissions", "Permissions_ListForResourceGroup"),
        ("GET", rf"{GROUPS}/providers/Microsoft\.ManagedIdentity/.+", "UserAssignedIdentities_Get"),
        ("GET", rf"{GROUPS}/providers/Microsoft\.Network/virtualNetworks/[^/]+/subnets/.+", "Subnets_Get"),
    )
)


def operation_of(request: Request) -> tuple[str, Mapping[str, str]]:
    """Its name, and what its path names."""
    for method, pattern, operation in ROUTES:
        found = pattern.fullmatch(request.path)
        if found and method == request.method:
            return operation, found.groupdict()
    return f"{request.method} {request.path}", {}
