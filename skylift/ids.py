"""Ids and tokens. Row ids are UUIDv7 (RFC 9562): they sort by time, so that indexes grow at one end."""

from __future__ import annotations

import hashlib
import os
import secrets
import threading
import time
from uuid import UUID

_lock = threading.Lock()
_last = 0


RUN_TOKEN_PREFIX = "slrun_"  # noqa: S105 - what tokens begin with is no secret
"""Tells a run's token from a person's API key."""
API_KEY_PREFIX = "slkey_"


def new_id() -> UUID:
    """A UUIDv7: 48 bits of Unix milliseconds, then 74 random bits; in one process always greater than the last one.

    What is written in one transaction has one time, so lines that share it are in order by their ids.
    """
    global _last
    value = (time.time_ns() // 1_000_000) << 80 | int.from_bytes(os.urandom(10), "big")
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    with _lock:
        if value <= _last or value >> 80 == _last >> 80:
            # Within a millisecond the last 62 bits count on, by random steps: the ids stay hard to guess.
            value = _last + 1 + int.from_bytes(os.urandom(4), "big")
        _last = value
    return UUID(int=value)


def new_token() -> str:
    """A secret of 256 random bits, safe in URLs and headers."""
    return secrets.token_urlsafe(32)


def token_hash(token: str) -> str:
    """What the store keeps of a token. The token is random and long, so a plain digest is enough."""
    return hashlib.sha256(token.encode()).hexdigest()
