"""Secrets by reference: the environment names where a value is, and only the function itself reads it."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from cryptography.fernet import Fernet

from skylift.errors import SkyliftError
from skylift.security.sealing import Sealer
from skylift_functions.aws.sdk import client, code_of

FRESH = 300.0
"""Seconds that keys are kept: a rotation is complete everywhere after that."""


class SecretReferenceError(SkyliftError):
    """An environment variable refers to a secret that could not be read."""


def setting(name: str, env: Mapping[str, str] | None = None) -> str | None:
    """The value of SKYLIFT_`name`, or of what SKYLIFT_`name`_FROM refers to. Raises `SecretReferenceError`."""
    env = os.environ if env is None else env
    reference = env.get(f"SKYLIFT_{name}_FROM")
    return read(reference, f"SKYLIFT_{name}_FROM") if reference else env.get(f"SKYLIFT_{name}") or None


def read(reference: str, variable: str) -> str:
    """What is kept under the ARN of a secret or of a parameter. Raises `SecretReferenceError` naming the variable."""
    service = reference.split(":")[2] if reference.count(":") >= 5 else ""
    try:
        if service == "secretsmanager":
            value = client("secretsmanager").get_secret_value(SecretId=reference)["SecretString"]
        elif service == "ssm":
            # A parameter's ARN is not taken everywhere that its name is.
            name = "/" + reference.partition(":parameter/")[2]
            value = client("ssm").get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"]
        else:
            raise SecretReferenceError(f"{variable} must be the ARN of a Secrets Manager secret or of an SSM parameter")
    except SecretReferenceError:
        raise
    except Exception as error:  # without the SDK's words, which may quote more than a name
        action = "secretsmanager:GetSecretValue" if service == "secretsmanager" else "ssm:GetParameter"
        raise SecretReferenceError(
            f"What {variable} refers to could not be read ({code_of(error)}): see that it exists, holds text, and "
            f"that the function's role allows {action} on it, and kms:Decrypt where it has a key of its own"
        ) from None
    return str(value).strip()


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
                    self._known = self._read(_split(self._source()))
                except SecretReferenceError:
                    if not self._known:
                        raise
                self._until = self._clock() + FRESH
            return self._known


def _split(text: str) -> Sequence[str]:
    return [key.strip() for key in text.replace("\n", ",").split(",") if key.strip()]


def sealer(env: Mapping[str, Any]) -> Sealer:
    """Raises `SecretReferenceError` where the environment names no keys."""
    reference, plain = env.get("SKYLIFT_SECRET_KEY_FROM"), env.get("SKYLIFT_SECRET_KEY")
    if reference:
        return ReferredSealer(lambda: read(reference, "SKYLIFT_SECRET_KEY_FROM"))
    if plain:
        return Sealer(*_split(plain))
    raise SecretReferenceError("Set SKYLIFT_SECRET_KEY_FROM to the ARN of the secret that holds the sealing keys")
