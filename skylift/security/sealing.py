"""Sealing: what is secret is encrypted before it reaches the store."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from skylift.errors import SkyliftError
from skylift.settings import Settings


class SealError(SkyliftError):
    """A sealed value does not open with this installation's keys."""


class Sealer:
    """Seals JSON values with the newest key and opens them with any (Fernet: AES-128-CBC and HMAC-SHA256)."""

    def __init__(self, *keys: str) -> None:
        try:
            self._fernet = MultiFernet([Fernet(key) for key in keys])
        except ValueError as error:
            raise SealError(
                "SKYLIFT_SECRET_KEY is no Fernet key: 32 random bytes in URL-safe base64 are wanted"
            ) from error

    @classmethod
    def from_settings(cls, settings: Settings) -> Sealer:
        """By SKYLIFT_SECRET_KEY, or else by a key file in the home folder, made at the first use."""
        if settings.secret_key:
            return cls(*(key.strip() for key in settings.secret_key.split(",")))
        return cls(_key_file(settings.home / "secret.key"))

    def seal(self, value: Any) -> str:
        """JSON value in, opaque text out."""
        return self._fernet.encrypt(json.dumps(value).encode()).decode()

    def open(self, sealed: str) -> Any:
        """The value that was sealed. Raises `SealError`."""
        try:
            return json.loads(self._fernet.decrypt(sealed.encode()))
        except InvalidToken as error:
            raise SealError from error


def _key_file(path: Path) -> str:
    """The key in this file. Of several processes that start at once, one makes it."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        draft = path.with_suffix(f".{os.getpid()}")
        draft.touch(mode=0o600)
        draft.write_bytes(Fernet.generate_key())
        try:
            os.link(draft, path)  # fails where another process was first
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text().strip()
