"""Secrets by reference: a setting names a secret in Key Vault, and only the app itself reads it, by its identity.

By two plain HTTP requests and no SDK, which would take longer to import than they take. Azure's own references in
settings would need no code; but they are read as another identity unless a property of the app says otherwise that
Terraform's resource for Flex Consumption does not have, and anew only once a day or when the app is started anew.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any
from urllib.parse import urlencode, urlsplit

from skylift.security.sealing import Sealer
from skylift_functions.azure.platform import CLIENT
from skylift_functions.sealing import SecretReferenceError as SecretReferenceError
from skylift_functions.sealing import sealer_of

VAULT = "https://vault.azure.net"
"""What a token for Key Vault is asked for."""
TIMEOUT, TRIES, PAUSE = 5.0, 3, 0.5
UNRESOLVED = "@Microsoft.KeyVault("
PAGE = "docs/deploy/azure-functions.md says to what"


def setting(name: str, env: Mapping[str, str]) -> str | None:
    """The value of SKYLIFT_`name`, or of what SKYLIFT_`name`_FROM refers to. Raises `SecretReferenceError`."""
    reference = env.get(f"SKYLIFT_{name}_FROM")
    return read(reference, f"SKYLIFT_{name}_FROM", env) if reference else resolved(f"SKYLIFT_{name}", env)


def resolved(name: str, env: Mapping[str, str]) -> str | None:
    """A setting as it is. Raises `SecretReferenceError` where that is a reference which Azure could not follow."""
    value = env.get(name, "").strip()
    if value.startswith(UNRESOLVED):
        raise SecretReferenceError(
            f"Azure could not read what {name} refers to: set {name}_FROM to the address of the secret instead, "
            "or give the identity that reads references the role 'Key Vault Secrets User' on it"
        )
    return value or None


def sealer(env: Mapping[str, str]) -> Sealer:
    """Raises `SecretReferenceError` where the settings name no keys."""
    return sealer_of(
        env,
        lambda reference, variable: read(reference, variable, env),
        missing=f"Set SKYLIFT_SECRET_KEY_FROM: {PAGE}",
        plain=lambda variable: resolved(variable, env),
    )


def read(reference: str, variable: str, env: Mapping[str, str]) -> str:
    """What is kept at the address of a secret. Raises `SecretReferenceError` naming the variable."""
    where = urlsplit(reference)
    if not where.hostname or not (where.scheme == "https" or where.hostname == "127.0.0.1"):
        raise SecretReferenceError(
            f"{variable} must be the address of a secret: https://NAME.vault.azure.net/secrets/…"
        )
    endpoint, client = env.get("IDENTITY_ENDPOINT"), env.get(CLIENT)
    if not endpoint:
        raise SecretReferenceError(f"{variable} is read as the app's identity, and the app has none: give it one")
    asked = {"resource": VAULT, "api-version": "2019-08-01", **({"client_id": client} if client else {})}
    token = _ask(f"{endpoint}?{urlencode(asked)}", {"X-IDENTITY-HEADER": env.get("IDENTITY_HEADER", "")}, variable)
    bearer = {"Authorization": f"Bearer {token.get('access_token')}"}
    return str(_ask(f"{reference}?api-version=7.4", bearer, variable).get("value")).strip()


def _ask(url: str, headers: Mapping[str, str], variable: str) -> dict[str, Any]:
    """JSON; without the words of an answer that refuses, which may quote more than a name."""
    where, told = urlsplit(url), "nobody answered"
    for again in range(TRIES):
        time.sleep(PAUSE * again)
        kind = HTTPSConnection if where.scheme == "https" else HTTPConnection
        connection = kind(where.netloc, timeout=TIMEOUT)
        try:
            connection.request("GET", f"{where.path}?{where.query}", headers=dict(headers))
            response = connection.getresponse()
            body = response.read()
        except (OSError, HTTPException) as error:
            told = type(error).__name__
            continue
        finally:
            connection.close()
        if response.status == 200:
            found: dict[str, Any] = json.loads(body)
            return found
        told = f"{where.hostname} answered {response.status}"
        if response.status < 500 and response.status != 429:
            break
    raise SecretReferenceError(
        f"What {variable} refers to could not be read ({told}): see that it exists, and that the app's identity has "
        "the role 'Key Vault Secrets User' on it"
    )
