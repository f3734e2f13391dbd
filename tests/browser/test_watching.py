"""The watch over pages notices what it is there for: a check that cannot fail would prove nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Route

from tests.browser.conftest import Seen

STRICT = {"Content-Security-Policy": "default-src 'none'; script-src 'self'"}
ADDRESS = "http://127.0.0.1:9/"


def _answering(page: Page, html: str, headers: dict[str, str] | None = None) -> None:
    def answer(route: Route) -> None:
        route.fulfill(status=200, content_type="text/html", body=html, headers=headers or {})

    page.route("**/*", answer)


@pytest.fixture
def opened(page: Page, seen: Seen) -> Callable[..., Seen]:
    def open_page(html: str, headers: dict[str, str] | None = None) -> Seen:
        _answering(page, html, headers)
        page.goto(ADDRESS)
        page.evaluate("0")  # by its answer all that came before has been told
        noted = Seen(seen.errors[:], seen.violations[:], seen.requests[:])
        for each in (seen.errors, seen.violations, seen.requests):
            each.clear()
        return noted

    return open_page


def test_an_error_of_a_script(opened: Callable[..., Seen]) -> None:
    noted = opened("<script>function deep() { throw new Error('broken') }; deep()</script>")
    assert [each.partition("\n")[0] for each in noted.errors] == ["Error: broken"]
    with pytest.raises(AssertionError):
        noted.check()
    noted.known = r"broken\n\s+at elsewhere"
    with pytest.raises(AssertionError):
        noted.check()
    noted.known = r"broken\n\s+at deep"
    noted.check()


def test_a_violation_of_the_policy(opened: Callable[..., Seen]) -> None:
    noted = opened("<script>document.title = 'inline'</script>", STRICT)
    assert len(noted.violations) == 1
    with pytest.raises(AssertionError):
        noted.check()
    noted.tolerated = "script-src"
    noted.check()


def test_a_request_that_leaves(opened: Callable[..., Seen]) -> None:
    noted = opened("<img src='http://elsewhere.example/x.png'>")
    assert noted.requests[1:] == ["GET http://elsewhere.example/x.png"]
    with pytest.raises(AssertionError):
        noted.check()


def test_a_request_that_the_policy_held_back_has_not_left(opened: Callable[..., Seen]) -> None:
    noted = opened("<img src='http://elsewhere.example/x.png'>", STRICT)
    assert noted.requests == [f"GET {ADDRESS}"]
    assert len(noted.violations) == 1
