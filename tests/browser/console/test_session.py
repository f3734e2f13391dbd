"""Signing in, and what a browser never gets to see."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Seen
from tests.browser.console.place import Place
from tests.browser.console.world import SECRETS, furnish
from tests.support.service import How, serving

KEY = "hunter2-of-the-first-admin"
STORED = "() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie])"
TYPED = "() => [...document.querySelectorAll('input, textarea, select')].map(each => each.value).join('\\n')"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with serving(tmp_path_factory.mktemp("home"), How.PLAIN, SKYLIFT_API_KEY=KEY) as service:
        opened = Place(service, KEY)
        yield opened
        opened.close()


def _sign_in(page: Page, key: str) -> None:
    page.get_by_label("API key").fill(key)
    page.get_by_role("button", name="Sign in").click()


def _make_key(place: Place, name: str, role: str) -> str:
    made: str = place.ask("POST", "/api_keys/", {"name": name, "role": role})["key"]
    return made


def test_a_wrong_key_stays_outside_and_a_right_one_comes_back_to_its_page(place: Place, page: Page) -> None:
    page.goto(place.page("/pools"))
    _sign_in(page, "hunter2-is-wrong")
    expect(page.get_by_text("This API key is not valid")).to_be_visible()
    _sign_in(page, KEY)
    expect(page.locator("main h1")).to_have_text("Work pools")
    page.reload()
    expect(page.locator("main h1")).to_have_text("Work pools")
    (cookie,) = page.context.cookies()
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
    assert KEY not in cookie["value"]
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("API key")).to_be_visible()
    assert page.context.cookies() == []


def test_a_key_that_is_revoked_ends_the_session_and_nothing_that_was_typed_is_lost(place: Place, page: Page) -> None:
    key = _make_key(place, "short-lived", "admin")
    page.goto(place.page("/pools/new"))
    _sign_in(page, key)
    page.get_by_role("button", name="Process (push)").click()
    page.get_by_label("Name (needed)").fill("typed-before")
    place.ask("DELETE", "/api_keys/short-lived")
    page.get_by_role("button", name="Create work pool").click()
    dialog = page.get_by_role("dialog", name="Sign in")
    expect(dialog).to_be_visible()
    _sign_in(page, KEY)
    expect(dialog).to_have_count(0)
    expect(page.get_by_label("Name (needed)")).to_have_value("typed-before")
    page.get_by_role("button", name="Create work pool").click()
    expect(page.locator("main h1")).to_have_text("typed-before")


def test_whoever_may_only_look_is_told_so(place: Place, page: Page) -> None:
    key = _make_key(place, "looks", "viewer")
    place.pool("seen")
    page.goto(place.page("/pools/seen"))
    _sign_in(page, key)
    page.get_by_role("button", name="Pause").first.click()
    expect(page.get_by_role("status").filter(has_text="role")).to_contain_text("admin")
    assert place.ask("GET", "/work_pools/seen")["is_paused"] is False


@pytest.mark.timeout(180)
def test_no_secret_is_in_a_page_an_address_or_a_store(place: Place, page: Page, seen: Seen) -> None:
    paths = furnish(place)
    page.goto(place.root)
    _sign_in(page, KEY)
    expect(page.locator("main h1")).to_have_text("Overview")
    for path in paths.values():
        page.goto(place.page(path))
        expect(page.locator("main h1")).to_be_visible()
        expect(page.locator("[aria-busy]")).to_have_count(0)
        everything = "\n".join([page.content(), page.url, page.evaluate(STORED), page.evaluate(TYPED)])
        assert [secret for secret in (*SECRETS, KEY) if secret in everything] == [], path
    assert not [each for each in seen.requests if "hunter2" in each]
    policy = page.goto(place.root)
    assert policy
    assert policy.headers["content-security-policy"].startswith("default-src 'none'")
    assert "unsafe" not in policy.headers["content-security-policy"]
