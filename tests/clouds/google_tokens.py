"""OIDC tokens as Google signs them for service accounts, and the certificates by which they are verified."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from google.auth import crypt, jwt

KEY_ID = "the-key-of-the-tests"
REMOVED = "SIGNATURE_REMOVED_BY_GOOGLE"


@cache
def _key(number: int) -> rsa.RSAPrivateKey:
    """Making one takes a quarter of a second."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


class Tokens:
    """Of one signing key; those of the same number have the same."""

    def __init__(self, number: int = 0) -> None:
        key = _key(number)
        form = serialization.PrivateFormat.TraditionalOpenSSL
        pem = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
        self._signer = crypt.RSASigner.from_string(pem.decode(), KEY_ID)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "federated-signon.system.gserviceaccount.com")])
        now = datetime.now(UTC)
        made = (
            x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=14))
            .sign(key, hashes.SHA256())
        )
        self.certificates = {KEY_ID: made.public_bytes(serialization.Encoding.PEM).decode()}

    def token(self, email: str, audience: str, **claims: Any) -> str:
        now = int(time.time())
        payload = {
            "iss": "https://accounts.google.com",
            "aud": audience,
            "email": email,
            "email_verified": True,
            "sub": "1",
            "iat": now,
            "exp": now + 3600,
            **claims,
        }
        text: str = jwt.encode(self._signer, payload).decode()
        return text

    def whose(self, token: str, audience: str) -> str | None:
        """None for what is not signed here, or is meant for somebody else."""
        try:
            claims = jwt.decode(token, certs=self.certificates, audience=audience)
        except Exception:
            return None
        return str(claims["email"])


def without_signature(token: str) -> str:
    """As Cloud Run passes on a token that it has checked."""
    return f"{token.rpartition('.')[0]}.{REMOVED}"
