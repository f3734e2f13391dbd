"""What a pool's things are called: the pool's name, as far as clouds take it, and letters that tell pools and
installations apart. So each is found again without a record."""

from __future__ import annotations

import hashlib
import re

from skylift.provisioner import PoolIdentity


def digest(pool: PoolIdentity, length: int = 8) -> str:
    """Letters that no other pool has, here or in another installation."""
    return hashlib.sha256(f"{pool.installation_id}/{pool.name}".encode()).hexdigest()[:length]


def plain(pool: PoolIdentity, most: int = 24) -> str:
    """The pool's name in lower case, digits and hyphens; nothing may be left of it."""
    return re.sub(r"[^a-z0-9]+", "-", pool.name.lower()).strip("-")[:most].strip("-")


def stem(pool: PoolIdentity, most: int = 24, letters: int = 8) -> str:
    """What the names of a pool's things begin with; 41 characters at most, so that an IAM role's name (64) has room
    for more. A cloud that has more room, or where names are all that tells whose a thing is, says so."""
    return joined(plain(pool, most), digest(pool, letters))


def joined(*parts: str) -> str:
    """A name of ours."""
    return "-".join(filter(None, ("skylift", *parts)))
