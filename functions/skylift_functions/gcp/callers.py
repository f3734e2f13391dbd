"""Who calls a function that only Cloud Tasks, Cloud Scheduler and Pub/Sub may call: all three show an OIDC token of the
one account that is there for it.

Where a function's IAM policy lets only that account through, Google has checked the token, and passes it on without its
signature: then what is left is to see that it is the right account's, for this very function. Everywhere else
(SKYLIFT_IAM_CHECKED is not `true`) the signature is checked here.
"""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Mapping
from typing import Any

from skylift.extras import sdk

CERTIFICATES_KEPT = 3600.0
SKEW = 10
"""Seconds that clocks may differ by."""
ISSUERS = ("https://accounts.google.com", "accounts.google.com")


class StrangerError(Exception):
    """The caller shows nothing that Google says."""


class IntruderError(StrangerError):
    """The caller is somebody, and not who may call this."""


class Certificates:
    """Google's public keys, by their ids."""

    def __init__(self) -> None:
        self._known: Mapping[str, str] = {}
        self._until = 0.0
        self._lock = threading.Lock()

    def all(self, *, key: str) -> Mapping[str, str]:
        """Asked for anew after an hour, and when there is a key that is not known yet."""
        with self._lock:
            if key not in self._known or time.monotonic() > self._until:
                self._known, self._until = self._read(), time.monotonic() + CERTIFICATES_KEPT
            return self._known

    def _read(self) -> Mapping[str, str]:
        from skylift_cloud_run.credentials import endpoint
        from skylift_functions.gcp.sdk import TIMEOUT

        requests = sdk("requests", extra="gcp")
        answer = requests.get(f"{endpoint('www')}/oauth2/v1/certs", timeout=TIMEOUT)
        answer.raise_for_status()
        found: Mapping[str, str] = answer.json()
        return found


certificates = Certificates()


def check(headers: Mapping[str, str], env: Mapping[str, str], audience: str) -> None:
    """Raises `StrangerError`, or `IntruderError` for others than the invoker. `headers` takes names in any case."""
    kind, _, token = headers.get("Authorization", "").partition(" ")
    if kind.lower() != "bearer" or token.count(".") != 2:
        raise StrangerError("There is no token")
    claims = _read(token) if env.get("SKYLIFT_IAM_CHECKED") == "true" else _verified(token)
    if claims.get("iss") not in ISSUERS or claims.get("exp", 0) < time.time() - SKEW:
        raise StrangerError("The token is not Google's, or no longer valid")
    if claims.get("aud") != audience:
        raise IntruderError("The token is meant for somebody else")
    if claims.get("email") != env.get("SKYLIFT_INVOKER") or not claims.get("email_verified"):
        raise IntruderError("The token is not the invoker's")


def _read(token: str) -> dict[str, Any]:
    return _part(token, 1)


def _verified(token: str) -> dict[str, Any]:
    jwt = sdk("google.auth.jwt", extra="gcp")
    try:
        keys = certificates.all(key=str(_part(token, 0).get("kid")))
        claims: dict[str, Any] = jwt.decode(token, certs=keys, clock_skew_in_seconds=SKEW)
    except StrangerError:
        raise
    except Exception as error:
        raise StrangerError(f"The token's signature could not be verified ({type(error).__name__})") from None
    return claims


def _part(token: str, index: int) -> dict[str, Any]:
    """Of a JWT: 0 is its header, 1 its claims."""
    try:
        text = token.split(".")[index]
        found = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except ValueError:
        raise StrangerError("The token is none") from None
    if not isinstance(found, dict):
        raise StrangerError("The token is none")
    return found
