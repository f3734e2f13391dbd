"""What Skylift itself calls: nothing that a block, a template, a webhook or a schema names."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from pydantic import ValidationError

from skylift.addresses import is_metadata
from skylift_cloud_run import credentials as google
from skylift_ecs.credentials import Credentials
from tests.cli.conftest import ROOT

NETWORK = {"aiohttp", "ftplib", "http.client", "httpx", "requests", "smtplib", "socket", "urllib.request", "urllib3"}
CLIENTS = {
    "skylift/relay.py",
    "skylift/runner.py",
    "skylift/cli/client.py",
    "skylift/cli/service.py",
    "skylift/addresses.py",
}
"""What runs in containers, and the command line; the last one looks at addresses and opens no connection."""


def _imported(file: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {each.name for each in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{each.name}" for each in node.names)}
    return names


def test_the_core_has_nothing_to_call_anybody_with() -> None:
    """Webhooks are received and never sent; schemas and templates refer to nothing outside of them."""
    found = {str(file.relative_to(ROOT)) for file in (ROOT / "skylift").rglob("*.py") if _imported(file) & NETWORK}
    assert found == CLIENTS


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest/meta-data/",
        "http://169.254.170.2/v2/credentials",
        "http://2852039166/",
        "http://0xa9fea9fe/",
        "http://0251.0376.0251.0376/",
        "http://169.254.43518/",
        "http://[::ffff:169.254.169.254]/",
        "http://[fd00:ec2::254]/",
        "http://[fe80::1]/",
        "http://user@169.254.169.254:80/",
        "http://169.254.169.254./",
        "http://metadata.google.internal/computeMetadata/v1/",
        "http://METADATA/",
        "http://168.63.129.16/machine",
        "file:///etc/passwd",
        "gopher://127.0.0.1:6379/_FLUSHALL",
        "",
    ],
)
def test_a_block_cannot_have_a_metadata_service_called(url: str) -> None:
    with pytest.raises(ValidationError, match="metadata service"):
        Credentials(aws_client_parameters={"endpoint_url": url})


@pytest.mark.parametrize("url", ["https://vpce-1.ecs.eu-west-1.vpce.amazonaws.com", "http://127.0.0.1:4566"])
def test_other_endpoints_can_be_named(url: str) -> None:
    assert not is_metadata(url)
    assert Credentials(aws_client_parameters={"endpoint_url": url}).endpoint == {"endpoint_url": url}


def test_a_key_is_shown_to_google_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(google.ENDPOINT, raising=False)
    key = rsa.generate_private_key(65537, 2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    info = {"client_email": "me@p.example", "private_key": key.decode(), "token_uri": "https://evil.example/token"}
    found, _ = google.load(google.Credentials(service_account_info=info))
    assert found._token_uri == "https://oauth2.googleapis.com/token"
