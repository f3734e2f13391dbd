"""A browser's session: a sealed cookie that stands for an API key, and dies with it.

It holds the key's digest, never the key. Whoever comes with it is asked anew each time whether that key is valid.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from skylift.ids import token_hash
from skylift.models.api_keys import Role
from skylift.parts import Parts
from skylift.security.sealing import SealError
from skylift.store import Tx, api_keys

LASTS = timedelta(hours=12)
PURPOSE = "session"
"""What keeps other sealed values from being taken for one."""


@dataclass(frozen=True, slots=True)
class Session:
    """What a cookie says."""

    key_hash: str
    expires: datetime


def begin(parts: Parts, secret: str) -> tuple[str, Session]:
    """The cookie for whoever has shown this key, which must be valid, and what it says."""
    with parts.store.reading() as tx:
        session = Session(token_hash(secret), tx.now.replace(microsecond=0) + LASTS)
    return parts.sealer.seal([PURPOSE, session.key_hash, session.expires.timestamp()]), session


def opened(parts: Parts, cookie: str) -> Session | None:
    """What the cookie says, whether it still holds or not; None where it is none of ours."""
    try:
        match parts.sealer.open(cookie):
            case [purpose, str(key_hash), float(expires)] if purpose == PURPOSE:
                return Session(key_hash, datetime.fromtimestamp(expires, UTC))
    except (SealError, ValueError):
        pass
    return None


def role_in(parts: Parts, tx: Tx, session: Session) -> Role | None:
    """What the session's key allows; None where the session has run out, or the key is not valid any more."""
    if session.expires <= tx.now:
        return None
    key = parts.settings.api_key
    if key and hmac.compare_digest(session.key_hash, token_hash(key)):
        return Role.ADMIN
    return api_keys.role_of_hash(tx, session.key_hash)
