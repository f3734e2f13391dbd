"""Signatures: the vendors' published examples, tampering, replays and clocks."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skylift.models.webhooks import SignatureKind
from skylift.webhooks.deliveries import Delivery
from skylift.webhooks.errors import SignatureError
from skylift.webhooks.signatures import sign, verify

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECRET, OLD = "a secret of some length", "the secret before it"
TIMED = (SignatureKind.HMAC, SignatureKind.STRIPE)
SIGNED = (*TIMED, SignatureKind.GITHUB)


def check(
    kind: SignatureKind, body: bytes, headers: dict[str, str], *, secret: str = SECRET, now: datetime = NOW
) -> Any:
    return verify(kind, [secret], Delivery(body, headers), now=now, window=300)


# -- what the vendors publish -----------------------------------------------------------------------------------------


def test_githubs_example() -> None:
    """GitHub's documentation, "Validating webhook deliveries", section "Testing the webhook payload validation"."""
    given = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    headers = {"x-hub-signature-256": given}
    assert check(SignatureKind.GITHUB, b"Hello, World!", headers, secret="It's a Secret to Everybody")
    assert sign(SignatureKind.GITHUB, "It's a Secret to Everybody", b"Hello, World!", now=NOW) == headers


def test_stripes_scheme_by_its_own_words() -> None:
    """Stripe's documentation, "Verify webhook signatures manually": the header and its parts are the page's example;
    its secret is not published, so the digest is made here from the page's words: the timestamp as a string, the
    character `.`, and the body, by HMAC-SHA256 with the endpoint's secret as the key."""
    at, secret, body = "1492774577", "whsec_test_secret", b'{"id": "evt_test_webhook", "object": "event"}'
    expected = hmac.new(secret.encode(), f"{at}.{body.decode()}".encode(), hashlib.sha256).hexdigest()
    published_v0 = "6ffbb59b2300aae63f272406069a9788598b792a944a07aba816edb039989a39"
    published_v1 = "5257a869e7ecebeda32affa62cdca3fa51cad7e77a0e56ff536d0ce8e108d8bd"
    now = datetime.fromtimestamp(int(at) + 60, UTC)
    header = f"t={at},\nv1={expected},\nv0={published_v0}".replace("\n", "")
    assert check(SignatureKind.STRIPE, body, {"stripe-signature": header}, secret=secret, now=now)
    both = f"t={at},v1={published_v1},v1={expected}"
    assert check(SignatureKind.STRIPE, body, {"stripe-signature": both}, secret=secret, now=now)
    for wrong in (f"t={at},v1={published_v1}", f"t={at},v0={expected}", f"v1={expected}", f"t={at}", ""):
        with pytest.raises(SignatureError):
            check(SignatureKind.STRIPE, body, {"stripe-signature": wrong}, secret=secret, now=now)


def test_a_known_answer_of_the_digest() -> None:
    """RFC 4231, test case 2."""
    from skylift.webhooks.signatures import digest

    expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    assert digest("Jefe", b"what do ya want for nothing?") == expected


# -- ours, and what all have in common --------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", SignatureKind)
@given(body=st.binary(max_size=300), secret=st.from_regex(r"[!-~]{16,60}", fullmatch=True))
def test_what_is_signed_verifies(kind: SignatureKind, body: bytes, secret: str) -> None:
    check(kind, body, sign(kind, secret, body, now=NOW), secret=secret)


@pytest.mark.parametrize("kind", SIGNED)
@given(body=st.binary(min_size=1, max_size=100), data=st.data())
def test_one_changed_byte_is_found(kind: SignatureKind, body: bytes, data: st.DataObject) -> None:
    headers = sign(kind, SECRET, body, now=NOW)
    place = data.draw(st.integers(0, len(body) - 1))
    changed = bytearray(body)
    changed[place] ^= data.draw(st.integers(1, 255))
    for other in (bytes(changed), body[:-1], body + b"\n", b""):
        if other != body:
            with pytest.raises(SignatureError):
                check(kind, other, headers)


@pytest.mark.parametrize("kind", SignatureKind)
@given(header=st.text(st.characters(codec="latin-1"), max_size=200))
def test_any_other_header_is_refused_and_nothing_else_happens(kind: SignatureKind, header: str) -> None:
    names = ("skylift-signature", "skylift-timestamp", "x-hub-signature-256", "stripe-signature", "authorization")
    with pytest.raises(SignatureError):
        check(kind, b"body", dict.fromkeys(names, header))


@pytest.mark.parametrize("kind", SignatureKind)
def test_another_secret_and_none(kind: SignatureKind) -> None:
    headers = sign(kind, SECRET, b"body", now=NOW)
    with pytest.raises(SignatureError):
        check(kind, b"body", headers, secret=SECRET + "x")
    with pytest.raises(SignatureError, match=r"missing"):
        check(kind, b"body", {})
    with pytest.raises(SignatureError):
        verify(kind, [], Delivery(b"body", headers), now=NOW, window=300)


@pytest.mark.parametrize("kind", SignatureKind)
def test_either_of_two_secrets(kind: SignatureKind) -> None:
    for secret in (SECRET, OLD):
        delivery = Delivery(b"body", sign(kind, secret, b"body", now=NOW))
        verify(kind, [SECRET, OLD], delivery, now=NOW, window=300)


@pytest.mark.parametrize("kind", TIMED)
@pytest.mark.parametrize(("off", "is_taken"), [(-301, False), (-300, True), (0, True), (300, True), (301, False)])
def test_replays_and_clocks_that_are_wrong(kind: SignatureKind, off: int, is_taken: bool) -> None:
    headers = sign(kind, SECRET, b"body", now=NOW)
    now = NOW + timedelta(seconds=off)
    if is_taken:
        assert check(kind, b"body", headers, now=now)
        return
    with pytest.raises(SignatureError, match="clock"):
        check(kind, b"body", headers, now=now)


def test_the_time_is_signed() -> None:
    headers = sign(SignatureKind.HMAC, SECRET, b"body", now=NOW)
    for at in (str(int(NOW.timestamp()) + 1), "٣", "-1", "1e9", "9" * 40, "", " "):
        with pytest.raises(SignatureError):
            check(SignatureKind.HMAC, b"body", headers | {"skylift-timestamp": at})


def test_what_was_signed_is_what_a_replay_is_known_by() -> None:
    for kind in SIGNED:
        first, again, other = (
            check(kind, body, sign(kind, SECRET, body, now=NOW)) for body in (b"body", b"body", b"other")
        )
        assert first == again != other
    assert check(SignatureKind.BEARER, b"body", sign(SignatureKind.BEARER, SECRET, b"body", now=NOW)) is None


def test_tokens_where_senders_can_put_them() -> None:
    basic = base64.b64encode(f"any:{SECRET}".encode()).decode()
    for header in (f"Bearer {SECRET}", f"bearer  {SECRET}", f"Basic {basic}"):
        check(SignatureKind.BEARER, b"", {"authorization": header})
    verify(SignatureKind.BEARER, [SECRET], Delivery(b"", {}, {"token": SECRET}), now=NOW, window=300)
    for header in (SECRET, f"Digest {SECRET}", "Basic !", "Basic " + base64.b64encode(b"\xff").decode(), "Bearer"):
        with pytest.raises(SignatureError):
            check(SignatureKind.BEARER, b"", {"authorization": header})


def test_no_refusal_tells_a_secret() -> None:
    for kind in SignatureKind:
        for headers in ({}, sign(kind, OLD, b"body", now=NOW), {"authorization": f"Bearer {SECRET}x"}):
            with pytest.raises(SignatureError) as refused:
                check(kind, b"body", headers)
            assert SECRET not in str(refused.value)
