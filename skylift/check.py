"""Whether runs of a pool would start: what `skylift work-pool check` says, found by reading only."""

from __future__ import annotations

import logging
from typing import Any

from sqlalchemy import Row

from skylift import faults
from skylift.errors import SkyliftError
from skylift.parts import Parts
from skylift.provider import Checks, Finding, HidesNonces, Links
from skylift.registry import Providers
from skylift.rendering import pool_configuration
from skylift.store import pools
from skylift.watching import watched

log = logging.getLogger(__name__)


def check(parts: Parts, name: str) -> list[Finding]:
    """Look at a pool, at its base job template, and at what its provider says. Raises `NotFoundError`."""
    with parts.store.reading() as tx:
        pool = pools.by_name(tx, name)
        configuration = pool_configuration(parts, tx, pool)
    found = [_provider(parts.providers, pool), _template(configuration), _pool_secret(parts.providers, pool)]
    if pool.is_paused:
        found.append(Finding("Work pool", "warning", "It is paused", "Resume it: skylift work-pool resume"))
    return [each for each in found if each] + _asked(parts.providers, pool, configuration)


def _provider(providers: Providers, pool: Row[Any]) -> Finding:
    if pool.type not in providers:
        return Finding("Provider", "failed", f"Nothing here pushes to pools of type {pool.type!r}", "Start a worker")
    try:
        return Finding("Provider", "ok", f"{providers.get(pool.type).display_name} is installed")
    except SkyliftError as error:
        return Finding("Provider", "failed", str(error), "Install it, and start the service again")


def _template(configuration: dict[str, Any]) -> Finding:
    if configuration:
        return Finding("Template", "ok", "The base job template can be rendered with its defaults")
    message = "The base job template cannot be rendered with its defaults alone"
    return Finding("Template", "warning", message, "Give the variables that its job configuration needs a default")


def _pool_secret(providers: Providers, pool: Row[Any]) -> Finding | None:
    if pool.type == "process:push" or not pool.type.endswith((":push", ":managed")):
        return None
    if pools.settings_of(pool).admission_secrets:
        return Finding("Pool secret", "ok", "Runs are admitted with the pool's secret and their own nonce")
    if _hides_nonces(providers, pool.type):
        return Finding("Pool secret", "ok", "Runs are admitted with their own nonce, which their cloud shows to nobody")
    return Finding(
        "Pool secret",
        "warning",
        "Runs are admitted with their nonce alone: whoever can read a starting container's environment in the cloud's "
        "console could be admitted in its place, once, and would get the run's secrets",
        "Make a secret in the cloud's own store, name it in the variable 'pool_secret', and give its SHA-256 to the "
        "pool's setting 'admission_secrets'",
    )


def _hides_nonces(providers: Providers, type_: str) -> bool:
    try:
        provider = providers.get(type_)
    except SkyliftError:
        return False  # not there, or not installed: both are findings already
    return isinstance(provider, HidesNonces) and provider.hides_nonces


def _asked(providers: Providers, pool: Row[Any], configuration: dict[str, Any]) -> list[Finding]:
    try:
        provider = providers.get(pool.type)
        return list(provider.check(configuration)) if isinstance(provider, Checks) else []
    except SkyliftError:
        return []  # not installed, which is a finding already
    except Exception as error:
        log.error("%s could not be checked: %s", pool.type, faults.told(error))
        return [Finding("Provider", "unknown", f"The check itself failed ({type(error).__name__})")]


def links_of(parts: Parts, attempt: Row[Any]) -> dict[str, str]:
    """Pages of the provider about this attempt, live or ended: URLs by what they show."""
    if attempt.provider_type not in parts.providers:
        return {}
    try:
        provider = parts.providers.get(attempt.provider_type)
        return dict(provider.links(watched(parts, attempt))) if isinstance(provider, Links) else {}
    except Exception as error:  # a page less is no reason to explain nothing
        log.error("The links of attempt %s could not be made: %s", attempt.id, faults.told(error))
        return {}
