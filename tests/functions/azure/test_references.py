"""Secrets in Key Vault, read as the app's identity: over the wire, from a vault and an identity endpoint of ours."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from skylift_functions.azure import references
from skylift_functions.azure.platform import CLIENT
from skylift_functions.sealing import SecretReferenceError
from tests.clouds.http_cloud import Answer, HttpCloud, Request

KEYS = ["x" * 43 + "=", "y" * 43 + "="]


class Vault(HttpCloud):
    """Gives tokens to whoever has the header that only the app knows, and secrets to whoever has a token."""

    def __init__(self) -> None:
        super().__init__()
        self.secrets: dict[str, str] = {}
        self.fails: list[int] = []
        self.asked: list[Request] = []

    def answer(self, request: Request) -> Answer:
        self.asked.append(request)
        if self.fails:
            return Answer(self.fails.pop(), {"error": "hunter2"})
        if request.path == "/token":
            allowed = request.headers.get("x-identity-header") == "of-the-app" and request.query["client_id"] == "me"
            return Answer(200, {"access_token": f"for {request.query['resource']}"}) if allowed else Answer(403, {})
        if request.headers.get("authorization") != f"Bearer for {references.VAULT}":
            return Answer(401, {"error": "hunter2"})
        found = self.secrets.get(request.path)
        return Answer(200, {"value": found}) if found else Answer(404, {"error": "hunter2"})

    @property
    def env(self) -> dict[str, str]:
        return {"IDENTITY_ENDPOINT": f"{self.url}/token", "IDENTITY_HEADER": "of-the-app", CLIENT: "me"}


@pytest.fixture
def vault(monkeypatch: pytest.MonkeyPatch) -> Iterator[Vault]:
    monkeypatch.setattr(references, "PAUSE", 0.0)
    with Vault() as made:
        yield made


def test_a_secret_is_read_as_the_apps_identity(vault: Vault) -> None:
    vault.secrets["/secrets/database-url"] = "postgresql://db/skylift\n"
    env = {**vault.env, "SKYLIFT_DATABASE_URL_FROM": f"{vault.url}/secrets/database-url"}
    assert references.setting("DATABASE_URL", env) == "postgresql://db/skylift"
    assert [each.query.get("api-version") for each in vault.asked] == ["2019-08-01", "7.4"]


def test_what_does_not_answer_is_asked_again_and_what_refuses_is_not(vault: Vault) -> None:
    vault.secrets["/secrets/a"] = "value"
    vault.fails = [503, 500]
    assert references.read(f"{vault.url}/secrets/a", "SKYLIFT_API_KEY_FROM", vault.env) == "value"
    vault.asked.clear()
    with pytest.raises(SecretReferenceError, match=r"SKYLIFT_API_KEY_FROM refers to .* 404") as raised:
        references.read(f"{vault.url}/secrets/none", "SKYLIFT_API_KEY_FROM", vault.env)
    assert len(vault.asked) == 2
    assert "hunter2" not in str(raised.value)
    vault.fails = [503] * 3
    with pytest.raises(SecretReferenceError, match="answered 503"):
        references.read(f"{vault.url}/secrets/a", "SKYLIFT_API_KEY_FROM", vault.env)


def test_an_identity_that_may_not_is_refused(vault: Vault) -> None:
    with pytest.raises(SecretReferenceError, match="403"):
        references.read(f"{vault.url}/secrets/a", "SKYLIFT_API_KEY_FROM", {**vault.env, CLIENT: "somebody"})


def test_tokens_go_over_https_only(vault: Vault) -> None:
    with pytest.raises(SecretReferenceError, match="must be the address"):
        references.read("http://name.vault.azure.net/secrets/a", "SKYLIFT_API_KEY_FROM", vault.env)
    assert not vault.asked


def test_sealing_keys_are_read_when_they_are_first_needed(vault: Vault) -> None:
    sealer = references.sealer({**vault.env, "SKYLIFT_SECRET_KEY_FROM": f"{vault.url}/secrets/sealing-keys"})
    assert not vault.asked
    vault.secrets["/secrets/sealing-keys"] = "\n".join(KEYS)
    assert sealer.open(sealer.seal("value")) == "value"
