"""What a pool's things are called in Google Cloud, and what tells whose they are."""

from __future__ import annotations

from collections.abc import Mapping

from skylift.provisioner import PoolIdentity
from skylift_infra import names
from skylift_infra.names import digest, joined, plain


def stem(pool: PoolIdentity) -> str:
    """For what may have 63 letters, digits and hyphens."""
    return names.stem(pool, most=32)


def account_id(pool: PoolIdentity, what: str) -> str:
    """A service account's name has 6 to 30 letters, digits and hyphens."""
    return joined(plain(pool, 7), digest(pool), what)


def role_id(pool: PoolIdentity) -> str:
    """A role's name has letters, digits, dots and underscores."""
    return stem(pool).replace("-", "_")


def labels(pool: PoolIdentity) -> dict[str, str]:
    """The marks of what can have labels. Not the label that the provider gives to what it makes for runs itself, and
    by which it finds what it has left behind."""
    return {"skylift-owner": str(pool.installation_id), "skylift-work-pool": f"{plain(pool, 50)}-{digest(pool)}"}


def has_labels(found: Mapping[str, str] | None, wanted: Mapping[str, str]) -> bool:
    return all((found or {}).get(name) == value for name, value in wanted.items())


def described(pool: PoolIdentity, what: str) -> str:
    """The marks of what has no labels, only a description of 256 characters: accounts and roles."""
    return f"{what} of the Skylift work pool {pool.name[:80]} ({_mark(pool)})"


def is_described(text: str | None, pool: PoolIdentity) -> bool:
    return f"({_mark(pool)})" in (text or "")


def _mark(pool: PoolIdentity) -> str:
    return f"skylift-owner {pool.installation_id} {digest(pool, 16)}"
