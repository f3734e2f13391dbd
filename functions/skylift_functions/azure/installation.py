"""This process's installation: its parts, opened at the first invocation and kept for all that follow.

What is secret comes by references to Key Vault in the app's settings. The platform itself resolves them, as the app's
identity, before the process starts: that takes no code, no SDK and no time here, and the portal shows the reference.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from threading import Lock
from typing import Any

from skylift.parts import Parts
from skylift.registry import Providers
from skylift.security.sealing import Sealer
from skylift.settings import Settings
from skylift.store import Store
from skylift_functions.azure import telemetry
from skylift_functions.azure.platform import CONNECTION, ENDPOINT
from skylift_functions.azure.wakeups import StorageQueueWakeups
from skylift_functions.installation import NEEDS_A_MACHINE, Installation
from skylift_functions.sealing import SecretReferenceError, split_keys

CONNECTIONS = 4
"""Of a process at a time, as many as messages (`batchSize` in host.json), and as many more while threads heal."""
UNRESOLVED = "@Microsoft.KeyVault("
PAGE = "docs/deploy/azure-functions.md says to what"
_opening = Lock()
_opened: list[Installation] = []


def opened(env: Mapping[str, str]) -> Installation:
    """As the app's settings have it. Raises `SecretReferenceError` saying what is missing."""
    url, key = _needed("SKYLIFT_DATABASE_URL", env), _needed("SKYLIFT_SECRET_KEY", env)
    _needed("SKYLIFT_API_URL", env)
    if not env.get(ENDPOINT):
        _needed(CONNECTION, env, f"{ENDPOINT} or {CONNECTION}")
    given: dict[str, Any] = {"database_url": url, "api_key": resolved("SKYLIFT_API_KEY", env)}
    settings = Settings(**given)
    wakeups = StorageQueueWakeups()
    store = Store(url, wakeups=wakeups, pool_size=CONNECTIONS)
    providers = Providers(managed=settings.managed_provider, without=NEEDS_A_MACHINE)
    return Installation(Parts(settings, store, providers, Sealer(*split_keys(key))), wakeups)


def resolved(name: str, env: Mapping[str, str]) -> str | None:
    """The value of a setting. Raises `SecretReferenceError` where the platform could not follow a reference."""
    value = env.get(name, "").strip()
    if value.startswith(UNRESOLVED):
        raise SecretReferenceError(
            f"Azure could not read what {name} refers to: see that the secret exists, that the app's identity has the "
            "role 'Key Vault Secrets User' on it, and that keyVaultReferenceIdentity names that identity"
        )
    return value or None


def _needed(name: str, env: Mapping[str, str], called: str | None = None) -> str:
    value = resolved(name, env)
    if not value:
        raise SecretReferenceError(f"Set {called or name}: {PAGE}")
    return value


def installation() -> Installation:
    """This process's own, for all its threads. Its database is not asked for its version: `schedule` and `api` bring
    it up to date."""
    with _opening:
        if not _opened:
            telemetry.install()
            _opened.append(opened(os.environ))
        return _opened[0]
