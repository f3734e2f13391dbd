"""Whether rights that were given count already: Azure tells whoever has them what they may."""

from __future__ import annotations

from collections.abc import Sequence

from skylift.provisioner import ProvisionError
from skylift_container_instance.permissions import allows
from skylift_container_instance.place import Credentials
from skylift_container_instance.signing_in import credential
from skylift_infra.azure.account import Account, ask
from skylift_infra.azure.errors import telling

PERMISSIONS_API = "2022-04-01"


def in_effect(account: Account, scope: str, client: str, secret: str, actions: Sequence[str]) -> bool:
    """Sign in as the dispatcher and ask. A new secret, too, takes its time to be known."""
    signed_in = credential(account.azure, Credentials(client, account.tenant, secret))
    pipeline = account.pipeline(account.azure.endpoint, account.azure.scope, signed_in)
    try:
        with telling("see which rights are in effect"):
            url = f"{scope}/providers/Microsoft.Authorization/permissions?api-version={PERMISSIONS_API}"
            answer = ask(pipeline, "GET", url)
    except ProvisionError:
        return False
    granted = [(each.get("actions") or [], each.get("notActions") or []) for each in answer["value"]]
    return all(allows(granted, each) for each in actions)
