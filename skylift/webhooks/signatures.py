"""Who has sent a delivery: the forms of signatures, each made and verified here.

- `hmac`: `Skylift-Timestamp` (Unix seconds) and `Skylift-Signature: v1=<hex>`, HMAC-SHA256 over `timestamp.body`.
- `github`: `X-Hub-Signature-256: sha256=<hex>`, HMAC-SHA256 over the body. It has no time: the body is what it is known
  by, and the same body is the same delivery.
- `stripe`: `Stripe-Signature: t=<Unix seconds>,v1=<hex>`, HMAC-SHA256 over `t.body`, with any number of `v1`.
- `bearer`: the secret itself, as `Authorization: Bearer`, as the password of `Authorization: Basic`, or as `?token=`.

All comparisons take the same time whatever is wrong.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import assert_never

from skylift.models.webhooks import SignatureKind
from skylift.webhooks.deliveries import Delivery
from skylift.webhooks.errors import SignatureError

_SECONDS = re.compile(r"\d{1,12}", re.ASCII)
_HEX = re.compile(r"[0-9a-fA-F]{64}", re.ASCII)
MOST_SIGNATURES = 8
"""That are looked at in one header: senders that change their secret send two."""

TIMESTAMP, SIGNATURE = "skylift-timestamp", "skylift-signature"
GITHUB, STRIPE, TOKEN = "x-hub-signature-256", "stripe-signature", "token"
PROOFS = frozenset({SIGNATURE, GITHUB, STRIPE, "x-hub-signature", "authorization", "proxy-authorization", "cookie"})
"""Headers that are nobody's business but ours: templates never see them."""


def verify(
    kind: SignatureKind, secrets: Sequence[str], delivery: Delivery, *, now: datetime, window: float
) -> str | None:
    """Raises `SignatureError` unless one of the secrets signed the delivery, within `window` seconds of now.

    Says what a replay of the delivery is known by: a digest of what was signed; None where nothing is signed.
    """
    match kind:
        case SignatureKind.HMAC:
            signed, given = _ours(delivery, now, window)
        case SignatureKind.GITHUB:
            signed, given = delivery.body, _github(delivery)
        case SignatureKind.STRIPE:
            signed, given = _stripe(delivery, now, window)
        case SignatureKind.BEARER:
            _bearer(secrets, delivery)
            return None
        case _:
            assert_never(kind)
    if not _any_equal((digest(secret, signed) for secret in secrets), given):
        raise SignatureError("The signature is not right: it must be made with this webhook's secret over these bytes")
    return hashlib.sha256(signed).hexdigest()


def sign(kind: SignatureKind, secret: str, body: bytes, *, now: datetime) -> dict[str, str]:
    """The headers that a sender of this kind would add, by their names in lower case."""
    at = str(int(now.timestamp()))
    match kind:
        case SignatureKind.HMAC:
            return {TIMESTAMP: at, SIGNATURE: "v1=" + digest(secret, _with_time(at, body))}
        case SignatureKind.GITHUB:
            return {GITHUB: "sha256=" + digest(secret, body)}
        case SignatureKind.STRIPE:
            return {STRIPE: f"t={at},v1=" + digest(secret, _with_time(at, body))}
        case SignatureKind.BEARER:
            return {"authorization": f"Bearer {secret}"}
        case _:
            assert_never(kind)


def digest(secret: str, signed: bytes) -> str:
    """HMAC-SHA256 in hexadecimal digits."""
    return hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()


def _with_time(at: str, body: bytes) -> bytes:
    return at.encode() + b"." + body


def _ours(delivery: Delivery, now: datetime, window: float) -> tuple[bytes, list[str]]:
    at = delivery.header(TIMESTAMP).strip()
    given = _versions(delivery.header(SIGNATURE), "v1")
    if not at or not given:
        raise SignatureError("Skylift-Timestamp and Skylift-Signature: v1=<hex> are missing or not well formed")
    _check_time(at, now, window, "Skylift-Timestamp")
    return _with_time(at, delivery.body), given


def _github(delivery: Delivery) -> list[str]:
    given = _versions(delivery.header(GITHUB), "sha256")
    if not given:
        raise SignatureError("X-Hub-Signature-256: sha256=<hex> is missing: set the webhook's secret at the sender")
    return given


def _stripe(delivery: Delivery, now: datetime, window: float) -> tuple[bytes, list[str]]:
    header = delivery.header(STRIPE)
    at = next((part.strip()[2:] for part in header.split(",") if part.strip().startswith("t=")), "")
    given = _versions(header, "v1")
    if not at or not given:
        raise SignatureError("Stripe-Signature: t=<seconds>,v1=<hex> is missing or not well formed")
    _check_time(at, now, window, "The time in Stripe-Signature")
    return _with_time(at, delivery.body), given


def _versions(header: str, version: str) -> list[str]:
    """The signatures of this version in a list such as `v1=…,v1=…`."""
    named = (part.strip().partition("=") for part in header.split(","))
    found = [value for name, _, value in named if name == version and _HEX.fullmatch(value)]
    return [each.lower() for each in found[:MOST_SIGNATURES]]


def _check_time(at: str, now: datetime, window: float, what: str) -> None:
    if not _SECONDS.fullmatch(at):
        raise SignatureError(f"{what} must be a whole number of Unix seconds")
    off = now.timestamp() - int(at)
    if abs(off) > window:
        where = "behind" if off > 0 else "ahead of"
        raise SignatureError(
            f"{what} is {abs(off):.0f} s {where} this server's clock, and {window:g} s are allowed: it is a replay, or"
            " a clock is wrong"
        )


def _bearer(secrets: Sequence[str], delivery: Delivery) -> None:
    given = [value for value in (_authorization(delivery), delivery.query.get(TOKEN, "")) if value]
    if not given:
        raise SignatureError("The token is missing: send `Authorization: Bearer <token>`, or ?token=<token>")
    if not _any_equal(secrets, given):
        raise SignatureError("The token is not this webhook's")


def _authorization(delivery: Delivery) -> str:
    """The token in the header; of Basic credentials it is the password."""
    scheme, _, value = delivery.header("authorization").strip().partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    if scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(value.strip(), validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return ""


def _any_equal(expected: Iterable[str], given: Sequence[str]) -> bool:
    """Each is compared with each, and none is left out when one was found."""
    return sum([_equal(each, one) for each in expected for one in given]) > 0


def _equal(a: str, b: str) -> bool:
    return hmac.compare_digest(a.encode(errors="backslashreplace"), b.encode(errors="backslashreplace"))
