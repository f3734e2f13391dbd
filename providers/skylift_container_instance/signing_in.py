"""Who Skylift is for Azure: a service principal, a managed or workload identity, or whom the service signed in as."""

from __future__ import annotations

import os
from typing import Any

from skylift.extras import sdk
from skylift.provider import Rejected
from skylift_container_instance.place import Azure, Credentials

EXTRA = "container-instance"
TIMEOUTS = {"connection_timeout": 4, "read_timeout": 8, "retry_total": 1, "retry_backoff_factor": 0.1}
"""For tokens; seconds."""


def credential(azure: Azure, given: Credentials) -> Any:
    """An object of azure-identity. Raises `Rejected` for credentials of which a part is missing."""
    identity = sdk("azure.identity", extra=EXTRA)
    # An authority that the operator names need not be known to the public cloud, which would be asked about it.
    where: dict[str, Any] = dict(TIMEOUTS)
    if azure.authority:
        where |= {"authority": azure.authority, "disable_instance_discovery": True}
    if given.client_secret:
        if not given.client_id or not given.tenant_id:
            raise Rejected(
                "The credentials in 'aci_credentials' hold a secret, but not both a client and a tenant",
                remedy="Give the block 'client_id' and 'tenant_id' too; for a managed identity leave the secret out",
            )
        return identity.ClientSecretCredential(given.tenant_id, given.client_id, given.client_secret, **where)
    if given.client_id and os.environ.get("AZURE_FEDERATED_TOKEN_FILE"):
        tenant = given.tenant_id or os.environ.get("AZURE_TENANT_ID")
        return identity.WorkloadIdentityCredential(client_id=given.client_id, tenant_id=tenant, **where)
    if given.client_id:
        return identity.ManagedIdentityCredential(client_id=given.client_id, **TIMEOUTS)
    return identity.DefaultAzureCredential(process_timeout=8, **where)
