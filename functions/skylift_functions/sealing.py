"""Sealing keys by reference: only the function itself reads them, when they are first needed and again now and then."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence

from cryptography.fernet import Fernet

from skylift.errors import SkyliftError
from skylift.security.sealing import Sealer

KEYS = "SKYLIFT_SECRET_KEY"
FRESH = 300.0
"""Seconds that keys are kept: a rotation is complete everywhere after that."""


class SecretReferenceError(SkyliftError):
    """An environment variable refers to a secret that could not be read."""


class ReferredSealer(Sealer):
    """Seals with keys that are read when they are first needed, and again now and then."""

    def __init__(self, keys: Callable[[], str], clock: Callable[[], float] = time.monotonic) -> None:
        self.file = None
        self._source, self._clock = keys, clock
        self._lock = threading.Lock()
        self._known: list[Fernet] = []
        self._until = 0.0

    @property
    def keys(self) -> list[Fernet]:
        """The newest first. What is known stays in use while it cannot be read anew."""
        with self._lock:
            if not self._known or self._clock() > self._until:
                try:
                    self._known = self._read(split_keys(self._source()))
                except SecretReferenceError:
                    if not self._known:
                        raise
                self._until = self._clock() + FRESH
            return self._known


def sealer_of(
    env: Mapping[str, str],
    read: Callable[[str, str], str],
    *,
    missing: str,
    plain: Callable[[str], str | None] | None = None,
) -> Sealer:
    """With the keys that the environment refers to, or has. `read` takes a reference and the variable that holds it;
    `plain` takes a variable that holds the keys themselves. Raises `SecretReferenceError(missing)` without either."""
    if reference := env.get(f"{KEYS}_FROM"):
        return ReferredSealer(lambda: read(reference, f"{KEYS}_FROM"))
    if keys := (plain or env.get)(KEYS):
        return Sealer(*split_keys(keys))
    raise SecretReferenceError(missing)


def split_keys(text: str) -> Sequence[str]:
    """Keys one a line, or with commas between them."""
    return [key.strip() for key in text.replace("\n", ",").split(",") if key.strip()]
