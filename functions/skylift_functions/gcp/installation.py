"""This function's installation: its parts, opened at the first request and kept for all that follow."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache
from typing import Any

from skylift.parts import Parts
from skylift.registry import Providers
from skylift.settings import Settings
from skylift.store import Store
from skylift_functions.coalescing import OncePerPool
from skylift_functions.gcp import references
from skylift_functions.gcp.platform import PLATFORM
from skylift_functions.gcp.wakeups import Target, TasksWakeups
from skylift_functions.installation import NEEDS_A_MACHINE, Installation
from skylift_functions.messages import VERBS
from skylift_functions.sealing import SecretReferenceError

NEEDED = (
    "SKYLIFT_API_URL",
    "SKYLIFT_INVOKER",
    *(f"SKYLIFT_{kind}_{verb.upper()}" for verb in VERBS for kind in ("QUEUE", "URL")),
)


def opened(env: Mapping[str, str], function: str) -> Installation:
    """As the environment has it. Raises `SecretReferenceError` saying what is missing."""
    url = references.setting("DATABASE_URL", env)
    if not url:
        raise SecretReferenceError(
            "Set SKYLIFT_DATABASE_URL_FROM to the name of the secret's version that holds the database's URL"
        )
    for name in NEEDED:
        if not env.get(name):
            raise SecretReferenceError(f"Set {name}: docs/deploy/gcp-functions.md says to what")
    given: dict[str, Any] = {"database_url": url, "api_key": references.setting("API_KEY", env)}
    settings = Settings(**given)
    wakeups = TasksWakeups({verb: _target(env, verb) for verb in VERBS})
    # Half of them are kept open, the others made when they are needed; one more than requests while threads heal.
    connections = max(1, PLATFORM.function(function).concurrency // 2)
    store = Store(url, pool_size=connections)
    store.wakeups = OncePerPool(store, wakeups)
    providers = Providers(managed=settings.managed_provider, without=NEEDS_A_MACHINE)
    return Installation(Parts(settings, store, providers, references.sealer(env)), wakeups)


def _target(env: Mapping[str, str], verb: str) -> Target:
    return Target(
        env[f"SKYLIFT_QUEUE_{verb.upper()}"],
        env[f"SKYLIFT_URL_{verb.upper()}"],
        env["SKYLIFT_INVOKER"],
        PLATFORM.function(verb).timeout,
    )


@cache
def installation(function: str) -> Installation:
    """This process's own. Its database is not asked for its version: `schedule` and `api` bring it up to date."""
    return opened(os.environ, function)
