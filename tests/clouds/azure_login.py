"""Where the local Azure's tokens come from: an OpenID provider over TLS, as azure-identity insists, for one tenant.

Its certificate is made anew for each process; whoever is to trust it is given `certificate` as REQUESTS_CA_BUNDLE.
"""

from __future__ import annotations

import atexit
import base64
import json
import shutil
import ssl
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import parse_qs

from tests.clouds.certificates import self_signed
from tests.clouds.http_cloud import Answer, HttpCloud, Request

TENANT, CLIENT = "11111111-1111-1111-1111-111111111111", "22222222-2222-2222-2222-222222222222"
CLIENT_SECRET = "tenant-secret-tenant-secret"
FEDERATED = "a-workload-identity-s-own-token"


@dataclass(frozen=True, slots=True)
class Granted:
    """A token that was handed out, to whom, and how it was asked for."""

    client: str
    how: str


class Login(HttpCloud):
    """Knows one service principal, by its secret or by a federated token, and one managed identity."""

    def __init__(self) -> None:
        super().__init__()
        self.certificate, key = _certificate()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, key)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self.granted: dict[str, Granted] = {}

    @property
    def authority(self) -> str:
        return f"https://localhost:{self._server.server_address[1]}"

    def answer(self, request: Request) -> Answer:
        base = f"{self.authority}/{TENANT}"
        if request.path.endswith("/.well-known/openid-configuration"):
            names = {"issuer": "/v2.0", "token_endpoint": "/oauth2/v2.0/token", "authorization_endpoint": "/authorize"}
            return Answer(body={name: base + path for name, path in names.items()})
        if request.path == f"/{TENANT}/oauth2/v2.0/token":
            form = {name: values[0] for name, values in parse_qs(request.body.decode()).items()}
            return self._token(form)
        return Answer(404, {"error": "not_found"})

    def grant(self, client: str, how: str) -> str:
        """A token, as the instance metadata of a managed identity would hand it out as well."""
        claims = {"appid": client, "tid": TENANT, "n": len(self.granted)}
        token = ".".join(base64.urlsafe_b64encode(each).decode().rstrip("=") for each in (b"{}", _json(claims), b"-"))
        self.granted[token] = Granted(client, how)
        return token

    def _token(self, form: dict[str, str]) -> Answer:
        how = "secret" if form.get("client_secret") == CLIENT_SECRET else ""
        how = "federated" if form.get("client_assertion") == FEDERATED else how
        if form.get("client_id") != CLIENT or not how:
            words = "AADSTS7000215: Invalid client secret provided."
            return Answer(401, {"error": "invalid_client", "error_description": words, "error_codes": [7000215]})
        return Answer(body={"token_type": "Bearer", "expires_in": 3600, "access_token": self.grant(CLIENT, how)})


def _json(value: object) -> bytes:
    return json.dumps(value).encode()


@cache
def _certificate() -> tuple[str, str]:
    """Paths of a certificate for this machine, and of its key."""
    folder = Path(tempfile.mkdtemp(prefix="azure-login-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    certificate, key = self_signed(folder, "localhost", addresses=("127.0.0.1",))
    return str(certificate), str(key)
