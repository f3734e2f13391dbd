"""Secrets by reference: the environment names where a value is, and only the function itself reads it."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from pathlib import Path

from skylift.security.sealing import Sealer
from skylift_functions.sealing import SecretReferenceError, sealer_of

VERSION = re.compile(r"projects/[^/]+/secrets/[A-Za-z0-9_-]+/versions/(latest|\d+)")


def setting(name: str, env: Mapping[str, str]) -> str | None:
    """The value of SKYLIFT_`name`, or of what SKYLIFT_`name`_FROM refers to. Raises `SecretReferenceError`."""
    reference = env.get(f"SKYLIFT_{name}_FROM")
    return read(reference, f"SKYLIFT_{name}_FROM") if reference else env.get(f"SKYLIFT_{name}") or None


def read(reference: str, variable: str) -> str:
    """What a version of a secret holds, by its name or where it is mounted. Raises `SecretReferenceError` naming the
    variable."""
    if reference.startswith("/"):
        try:
            return Path(reference).read_text().strip()
        except (OSError, UnicodeError) as error:
            raise SecretReferenceError(
                f"The file that {variable} names could not be read ({type(error).__name__}): mount the secret there, "
                "as text"
            ) from None
    if not VERSION.fullmatch(reference):
        raise SecretReferenceError(
            f"{variable} must be the name of a secret's version, projects/…/secrets/…/versions/latest, or the path "
            "that one is mounted at"
        )
    return _access(reference, variable)


def _access(version: str, variable: str) -> str:
    from skylift_cloud_run.credentials import endpoint
    from skylift_functions.gcp.sdk import TIMEOUT, session

    try:
        answer = session().get(f"{endpoint('secretmanager')}/v1/{version}:access", timeout=TIMEOUT)
        if answer.status_code == 200:
            return base64.b64decode(answer.json()["payload"]["data"]).decode().strip()
        reason = f"HTTP {answer.status_code}"
    except Exception as error:  # without the library's words, which may quote more than a name
        reason = type(error).__name__
    raise SecretReferenceError(
        f"What {variable} refers to could not be read ({reason}): see that this version exists, is enabled and holds "
        "text, and that the function's service account has roles/secretmanager.secretAccessor on the secret"
    ) from None


def sealer(env: Mapping[str, str]) -> Sealer:
    """Raises `SecretReferenceError` where the environment names no keys."""
    missing = "Set SKYLIFT_SECRET_KEY_FROM to the name of the secret that holds the sealing keys"
    return sealer_of(env, read, missing=missing)
