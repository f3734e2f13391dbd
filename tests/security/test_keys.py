"""Keys: how they are compared, and which are too weak to be any."""

from __future__ import annotations

import hmac
from typing import Any

import pytest
from pydantic import ValidationError

from skylift.api import callers
from skylift.errors import UnauthorizedError
from skylift.ids import API_KEY_PREFIX, RUN_TOKEN_PREFIX, new_token
from skylift.settings import Settings
from skylift.store.tables import api_keys, attempts
from tests.api.making import Api, ok

KEY = "hunter2-of-this-service"


def test_the_services_own_key_is_compared_in_the_same_time_whatever_is_wrong(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    object.__setattr__(api.place.parts, "settings", Settings(api_key=KEY))
    compared: list[tuple[bytes, bytes]] = []

    def compare(a: Any, b: Any) -> bool:
        compared.append((a, b))
        return bool(a == b)

    monkeypatch.setattr(hmac, "compare_digest", compare)
    for secret in ("", "h", KEY[:-1], KEY + "x", "é", f"{API_KEY_PREFIX}x"):
        with pytest.raises(UnauthorizedError):
            callers.identify(api.place.parts, secret)
        assert compared.pop() == (secret.encode(), KEY.encode())
    assert callers.identify(api.place.parts, KEY) == callers.PERSON


def test_others_are_found_by_a_digest_of_them(api: Api) -> None:
    """What is looked up in an index says nothing of the key, and the database holds nothing that opens anything."""
    key = ok(api.http.post("api_keys/", json={"name": "k", "role": "admin"}), 201)["key"]
    [row] = api.place.rows(api_keys)
    assert key not in str(row)
    assert row.beginning.startswith(API_KEY_PREFIX)
    assert len(row.beginning) < len(API_KEY_PREFIX) + 8
    assert "token_hash" in attempts.c
    assert "token" not in attempts.c


def test_keys_and_tokens_are_256_random_bits(api: Api) -> None:
    keys = {ok(api.http.post("api_keys/", json={"name": "first", "role": "admin"}), 201)["key"]}
    assert all(len(each) == len(API_KEY_PREFIX) + 43 for each in keys)
    assert len({new_token() for _ in range(1000)}) == 1000
    assert not API_KEY_PREFIX.startswith(RUN_TOKEN_PREFIX)


@pytest.mark.parametrize("key", ["x", "secret", "hunter2", "a" * 15])
def test_a_weak_key_for_the_service_is_refused_and_not_shown(key: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Settings(api_key=key)
    assert "16" in str(refused.value)
    assert f"input_value='{key}'" not in str(refused.value)
