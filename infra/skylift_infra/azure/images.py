"""How docker gets into a container registry: the person's token for Resource Manager buys one of the registry's own,
for three hours (https://github.com/Azure/acr/blob/main/docs/AAD-OAuth.md)."""

from __future__ import annotations

from urllib.parse import urlencode

from skylift.extras import sdk
from skylift.provisioner import ProvisionError, RegistryLogin
from skylift_container_instance.signing_in import EXTRA
from skylift_infra.azure.account import Account
from skylift_infra.azure.errors import telling

USERNAME = "00000000-0000-0000-0000-000000000000"
"""Says to Azure that the password is a token."""


def login(account: Account, host: str) -> RegistryLogin:
    """Raises `ProvisionError`."""
    base = account.azure.endpoint if account.azure.is_loopback else f"https://{host}"
    pipeline = account.pipeline(base, account.azure.scope)
    request = sdk("azure.core.rest", extra=EXTRA).HttpRequest
    with telling(f"sign in to the registry {host}"):
        token = account.credential.get_token(account.azure.scope).token
        form = {"grant_type": "access_token", "service": host, "tenant": account.tenant, "access_token": token}
        response = pipeline.send_request(
            request(
                "POST",
                f"{base}/oauth2/exchange",
                content=urlencode(form).encode(),
                headers={"Content-Type": "application/x-www-form-urlencoded"},
            )
        )
        response.raise_for_status()
    password = response.json().get("refresh_token")
    if not password:
        raise ProvisionError(f"The registry {host} gave no token", remedy=f"az acr login --name {host}")
    return RegistryLogin(host, USERNAME, password)
