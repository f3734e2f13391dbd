"""This process's installation: its parts, opened at the first invocation and kept for all that follow."""

from __future__ import annotations

import os
from collections.abc import Mapping
from threading import Lock
from typing import Any

from skylift.parts import Parts
from skylift.registry import Providers
from skylift.settings import Settings
from skylift.store import Store
from skylift_functions.azure import references, telemetry
from skylift_functions.azure.platform import CONNECTION, ENDPOINT
from skylift_functions.azure.wakeups import StorageQueueWakeups
from skylift_functions.coalescing import OncePerPool
from skylift_functions.installation import NEEDS_A_MACHINE, Installation

CONNECTIONS = 4
"""Of a process at a time, as many as messages (`batchSize` in host.json), and as many more while threads heal."""
_opening = Lock()
_opened: list[Installation] = []


def opened(env: Mapping[str, str]) -> Installation:
    """As the app's settings have it. Raises `SecretReferenceError` saying what is missing."""
    url = references.setting("DATABASE_URL", env)
    if not url:
        raise references.SecretReferenceError(f"Set SKYLIFT_DATABASE_URL_FROM: {references.PAGE}")
    for names in (("SKYLIFT_API_URL",), (ENDPOINT, CONNECTION)):
        if not any(env.get(each) for each in names):
            raise references.SecretReferenceError(f"Set {' or '.join(names)}: {references.PAGE}")
    given: dict[str, Any] = {"database_url": url, "api_key": references.setting("API_KEY", env)}
    settings = Settings(**given)
    wakeups = StorageQueueWakeups()
    store = Store(url, pool_size=CONNECTIONS)
    store.wakeups = OncePerPool(store, wakeups)
    providers = Providers(managed=settings.managed_provider, without=NEEDS_A_MACHINE)
    return Installation(Parts(settings, store, providers, references.sealer(env)), wakeups)


def installation() -> Installation:
    """This process's own, for all its threads. Its database is not asked for its version: `schedule` and `api` bring
    it up to date."""
    with _opening:
        if not _opened:
            telemetry.install()
            _opened.append(opened(os.environ))
        return _opened[0]
