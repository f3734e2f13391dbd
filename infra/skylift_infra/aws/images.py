"""How docker gets into ECR: by a password for twelve hours (docs.aws.amazon.com/AmazonECR: registry authentication)."""

from __future__ import annotations

import base64

from skylift.provisioner import RegistryLogin
from skylift_infra.aws.account import Account, telling


def login(account: Account, host: str) -> RegistryLogin:
    """Raises `ProvisionError`."""
    with telling("give a password for the registry"):
        found = account.client("ecr").get_authorization_token()["authorizationData"][0]
    username, _, password = base64.b64decode(found["authorizationToken"]).decode().partition(":")
    return RegistryLogin(host, username, password)
