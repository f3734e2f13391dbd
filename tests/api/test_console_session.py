"""Login of a browser: a cookie in the place of a key, that only our own pages can use and that dies with the key."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from skylift.api import create_app
from skylift.api.callers import CONSOLE_HEADER, COOKIE
from skylift.ids import RUN_TOKEN_PREFIX
from skylift.models.api_keys import ApiKeyCreate, Role
from skylift.sessions import LASTS
from skylift.store import api_keys
from tests.api.making import Api, ok, refused

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # starlette would rather have another HTTP library
    from fastapi.testclient import TestClient

HEADER = {CONSOLE_HEADER: "1"}


@pytest.fixture
def store_url(sqlite_url: str) -> str:
    return sqlite_url


@pytest.fixture
def browser(api: Api) -> Iterator[TestClient]:
    """With a jar of cookies, on the service's own machine."""
    with TestClient(create_app(api.place.parts), base_url="http://127.0.0.1/api/") as opened:
        yield opened


def key(api: Api, role: Role = Role.ADMIN, **more: Any) -> str:
    wanted = ApiKeyCreate(name=role, role=role, **more)
    return api.place.store.transaction(api_keys.create, wanted).key


def login(browser: TestClient, secret: str) -> Any:
    return browser.post("skylift/session", json={"api_key": secret}, headers=HEADER)


def test_where_nobody_needs_a_key_nobody_needs_a_session(api: Api, browser: TestClient) -> None:
    nobody = {"auth": "none", "role": "admin", "expires": None}
    assert ok(browser.get("skylift/session")) == nobody
    assert ok(login(browser, "anything"), 201) == nobody
    assert COOKIE not in browser.cookies
    with TestClient(create_app(api.place.parts, is_trusted=True), base_url="http://embedded/api/") as trusted:
        key(api)
        assert ok(trusted.get("skylift/session")) == nobody


def test_a_key_is_shown_once(api: Api, browser: TestClient) -> None:
    secret = key(api)
    refused(browser.get("skylift/session"), 401)
    refused(login(browser, "slkey_hunter2"), 401)
    answer = login(browser, secret)
    ends = (api.place.clock.at + LASTS).isoformat().replace("+00:00", "Z")
    assert ok(answer, 201) == {"auth": "key", "role": "admin", "expires": ends}
    [cookie] = answer.headers.get_list("set-cookie")
    assert secret not in cookie
    for word in ("HttpOnly", "SameSite=strict", "Path=/api", "Max-Age=43200"):
        assert word in cookie
    assert "Secure" not in cookie, "there is no TLS on one's own machine"
    assert ok(browser.get("skylift/session")) == answer.json()
    assert ok(browser.get("skylift/overview"))["pools"] == []
    ok(browser.delete("skylift/session", headers=HEADER), 204)
    refused(browser.get("skylift/session"), 401)


def test_elsewhere_the_cookie_goes_over_tls_only(api: Api) -> None:
    secret = key(api)
    app = create_app(api.place.parts)
    for base in ("https://skylift.example/api/", "http://skylift.example/api/", "https://127.0.0.1/api/"):
        with TestClient(app, base_url=base) as browser:
            assert "Secure" in login(browser, secret).headers["set-cookie"]


def test_what_a_session_changes_takes_a_header_that_other_sites_cannot_send(api: Api, browser: TestClient) -> None:
    secret = key(api)
    refused(browser.post("skylift/session", json={"api_key": secret}), 403, CONSOLE_HEADER)
    ok(login(browser, secret), 201)
    refused(browser.delete("skylift/session"), 403, CONSOLE_HEADER)
    body = {"name": "a", "type": "cloud:push"}
    refused(browser.post("work_pools/", json=body), 403, CONSOLE_HEADER)
    refused(browser.post("flow_runs/filter", json={}), 403, CONSOLE_HEADER)
    ok(browser.post("work_pools/", json=body, headers=HEADER), 201)
    ok(browser.post("flow_runs/filter", json={}, headers=HEADER))
    bearer = {"Authorization": f"Bearer {secret}"}
    ok(browser.post("flow_runs/filter", json={}, headers=bearer))


def test_it_may_what_its_key_may_and_dies_with_it(api: Api, browser: TestClient) -> None:
    ok(login(browser, key(api, Role.VIEWER)), 201)
    assert ok(browser.get("skylift/session"))["role"] == "viewer"
    refused(browser.post("work_pools/", json={"name": "a"}, headers=HEADER), 403, "role admin")
    refused(browser.post("skylift/work_pools/a/template/preview", json={}, headers=HEADER), 403, "role deployer")
    key(api, Role.ADMIN)
    api.place.store.transaction(api_keys.revoke, "viewer")
    refused(browser.get("skylift/session"), 401)
    refused(browser.get("skylift/overview"), 401)


def test_it_ends_after_a_while_and_with_the_end_of_its_key(api: Api, browser: TestClient) -> None:
    ok(login(browser, key(api)), 201)
    api.place.clock.advance(LASTS.total_seconds() - 1)
    ok(browser.get("skylift/session"))
    api.place.clock.advance(1)
    refused(browser.get("skylift/session"), 401)
    short = key(api, Role.VIEWER, expires=api.place.clock.at + timedelta(minutes=1))
    ok(login(browser, short), 201)
    api.place.clock.advance(60)
    refused(browser.get("skylift/session"), 401)


def test_what_is_none_of_ours_opens_nothing(api: Api, browser: TestClient) -> None:
    secret = key(api)
    seal = api.place.parts.sealer.seal
    for cookie in ("x", seal(["hunter2"]), seal(["other", "x", 1e12]), seal({"session": 1}), secret):
        browser.cookies.set(COOKIE, cookie)
        refused(browser.get("skylift/session"), 401)
    refused(login(browser, RUN_TOKEN_PREFIX + "hunter2"), 401)


def test_a_header_counts_and_not_the_cookie_beside_it(api: Api, browser: TestClient) -> None:
    ok(login(browser, key(api)), 201)
    refused(browser.get("skylift/overview", headers={"Authorization": "Bearer slkey_hunter2"}), 401)
