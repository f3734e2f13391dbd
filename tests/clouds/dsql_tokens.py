"""Who may sign in to the local Aurora DSQL: tokens are checked as AWS does, and the cluster has a certificate."""

from __future__ import annotations

import hashlib
import hmac
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qsl, quote, urlencode

from tests.clouds.certificates import self_signed

ACTIONS = {True: "DbConnectAdmin", False: "DbConnect"}
"""By whether the user is `admin`."""


@dataclass(frozen=True)
class Clients:
    """Of one cluster."""

    host: str
    region: str
    keys: Mapping[str, str]
    """Secret access keys by their ids."""
    context: ssl.SSLContext
    authorities: Path
    """Who vouches for the certificate."""

    def fault_of(self, token: str, user: str) -> str | None:
        """Why it is not good, if it is not."""
        host, _, text = token.partition("/?")
        query = dict(parse_qsl(text))
        key_id, _, scope = query.get("X-Amz-Credential", "").partition("/")
        until = _time(query.get("X-Amz-Date", "")) + timedelta(seconds=int(query.get("X-Amz-Expires", "0")))
        right = {
            "another host": host == self.host,
            "another region": scope.split("/")[1:2] == [self.region],
            "another action": query.get("Action") == ACTIONS[user == "admin"],
            "unknown key": key_id in self.keys,
            "expired": until > datetime.now(UTC),
        }
        if wrong := [name for name, is_right in right.items() if not is_right]:
            return ", ".join(wrong)
        wanted = signature_of(query, self.host, self.region, self.keys[key_id])
        return None if hmac.compare_digest(wanted, query.get("X-Amz-Signature", "")) else "wrong signature"


def signature_of(query: Mapping[str, str], host: str, region: str, secret: str) -> str:
    """SigV4 of a presigned GET without a body, by the book."""
    date = query["X-Amz-Date"]
    scope = f"{date[:8]}/{region}/dsql/aws4_request"
    unsigned = {name: value for name, value in query.items() if name != "X-Amz-Signature"}
    canonical = urlencode(sorted(unsigned.items()), quote_via=quote, safe="-_.~")
    request = f"GET\n/\n{canonical}\nhost:{host}\n\nhost\n{hashlib.sha256(b'').hexdigest()}"
    to_sign = f"AWS4-HMAC-SHA256\n{date}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    key = f"AWS4{secret}".encode()
    for part in (date[:8], region, "dsql", "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()


def clients(host: str, region: str, keys: Mapping[str, str], folder: Path) -> Clients:
    """With a certificate of its own, whose files are in the folder."""
    certificate, private = self_signed(folder, host)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, private)
    return Clients(host, region, keys, context, certificate)


def _time(text: str) -> datetime:
    try:
        return datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)
