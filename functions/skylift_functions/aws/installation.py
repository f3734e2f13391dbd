"""This function's installation: its parts, opened at the first event and kept for all that follow."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache
from typing import Any

from sqlalchemy import URL, make_url

from skylift.parts import Parts
from skylift.registry import Providers
from skylift.settings import Settings
from skylift.store import Store
from skylift_functions.aws import dsql, references
from skylift_functions.aws.wakeups import SqsWakeups
from skylift_functions.coalescing import OncePerPool
from skylift_functions.installation import CONNECTIONS, NEEDS_A_MACHINE, Installation
from skylift_functions.messages import VERBS


def opened(env: Mapping[str, str]) -> Installation:
    """As the environment has it. Raises `SecretReferenceError` saying what is missing."""
    url = references.setting("DATABASE_URL", env)
    if not url:
        raise references.SecretReferenceError(
            "Set SKYLIFT_DATABASE_URL_FROM to the ARN of the secret that holds the database's URL"
        )
    for name in ("SKYLIFT_API_URL", *(f"SKYLIFT_QUEUE_{verb.upper()}" for verb in VERBS)):
        if not env.get(name):
            raise references.SecretReferenceError(f"Set {name}: docs/deploy/aws-functions.md says to what")
    given: dict[str, Any] = {"database_url": url, "api_key": references.setting("API_KEY", env)}
    settings = Settings(**given)
    queues = {verb: env[f"SKYLIFT_QUEUE_{verb.upper()}"] for verb in VERBS}
    wakeups = SqsWakeups(queues)
    store = _store(make_url(url))
    store.wakeups = OncePerPool(store, wakeups)
    providers = Providers(managed=settings.managed_provider, without=NEEDS_A_MACHINE)
    return Installation(Parts(settings, store, providers, references.sealer(env)), wakeups)


def _store(url: URL) -> Store:
    if not dsql.is_dsql(url):
        return Store(url.render_as_string(hide_password=False), pool_size=CONNECTIONS)
    opened = Store(dsql.address(url).render_as_string(hide_password=False), pool_size=CONNECTIONS)
    dsql.sign_in(opened.engine, url)
    return opened


@cache
def installation() -> Installation:
    """This process's own. Its database is not asked for its version: `schedule` and `api` bring it up to date."""
    return opened(os.environ)
