"""Sealing: what is secret is encrypted before it reaches the store."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from skylift.errors import ConflictError, SkyliftError
from skylift.settings import Settings


class SealError(SkyliftError):
    """A sealed value does not open with this installation's keys."""


class Sealer:
    """Seals JSON values with the newest key and opens them with any (Fernet: AES-128-CBC and HMAC-SHA256)."""

    def __init__(self, *keys: str, file: KeyFile | None = None) -> None:
        self.file = file
        """Where the keys are read from, if that is ours to change."""
        self._stamp: object = None
        self._keys = self._read(keys)

    @classmethod
    def from_settings(cls, settings: Settings) -> Sealer:
        """By SKYLIFT_SECRET_KEY, or else by a key file in the home folder, made at the first use."""
        if settings.secret_key:
            return cls(*(key.strip() for key in settings.secret_key.split(",")))
        file = KeyFile(settings.home / "secret.key")
        file.ensure()
        return cls(*file.keys(), file=file)

    def _read(self, keys: Sequence[str]) -> list[Fernet]:
        try:
            found = [Fernet(key) for key in keys]
        except ValueError:
            found = []
        if not found:
            where = self.file.path if self.file else "SKYLIFT_SECRET_KEY"
            raise SealError(f"{where} holds no Fernet key: 32 random bytes in URL-safe base64 are wanted")
        return found

    @property
    def keys(self) -> list[Fernet]:
        """The newest first; those of the file as they are now, since another process may rotate them at any time."""
        if self.file:
            try:
                stamp = self.file.stamp()
                if stamp != self._stamp:
                    self._keys, self._stamp = self._read(self.file.keys()), stamp
            except OSError:
                return self._keys  # what is in use stays so while the file cannot be read
        return self._keys

    def seal(self, value: Any) -> str:
        """JSON value in, opaque text out."""
        return self.keys[0].encrypt(json.dumps(value).encode()).decode()

    def open(self, sealed: str) -> Any:
        """The value that was sealed. Raises `SealError`."""
        try:
            return json.loads(MultiFernet(self.keys).decrypt(sealed.encode()))
        except InvalidToken as error:
            raise SealError from error

    def reseal(self, sealed: str) -> str | None:
        """The same, sealed with the newest key; None where it is that already. Raises `SealError`."""
        keys = self.keys
        try:
            keys[0].decrypt(sealed.encode())
        except InvalidToken:
            try:
                return MultiFernet(keys).rotate(sealed.encode()).decode()
            except InvalidToken as error:
                raise SealError from error
        return None


@dataclass(frozen=True, slots=True)
class KeyFile:
    """Keys in a file that only its owner can read, one a line, the newest first."""

    path: Path
    _suffix: str = field(default_factory=lambda: f".{os.getpid()}")

    def keys(self) -> list[str]:
        return self.path.read_text().split()

    def stamp(self) -> object:
        """Changes whenever the file does."""
        found = self.path.stat()
        return found.st_ino, found.st_mtime_ns, found.st_size

    def ensure(self) -> None:
        """Make the file where there is none. Of several processes that start at once, one makes it."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self.path.exists():
            return
        draft = self._draft([Fernet.generate_key().decode()])
        try:
            os.link(draft, self.path)  # fails where another process was first
        except FileExistsError:
            pass
        finally:
            draft.unlink()

    def begin(self) -> None:
        """A new key before the others: from now on it seals, and they only open."""
        self._draft([Fernet.generate_key().decode(), *self.keys()]).replace(self.path)

    def finish(self) -> None:
        """Keep the newest key only."""
        self._draft(self.keys()[:1]).replace(self.path)

    @contextmanager
    def changing(self) -> Iterator[None]:
        """For one process at a time. Raises `ConflictError` while another is at it."""
        with self.path.with_suffix(".lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise ConflictError("The secrets are being rotated already: wait until that is done") from error
            yield

    def _draft(self, keys: Sequence[str]) -> Path:
        draft = self.path.with_suffix(self._suffix)
        draft.unlink(missing_ok=True)
        draft.touch(mode=0o600)
        with draft.open("w") as file:
            file.write("\n".join(keys))
            file.flush()
            os.fsync(file.fileno())  # the key that all is sealed with survives a power cut
        return draft
