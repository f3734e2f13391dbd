"""A page that is open costs next to nothing."""

from __future__ import annotations

import re

from playwright.sync_api import Page, Request, expect

from tests.browser.console.conftest import Open
from tests.browser.console.place import Place

MINUTE = 60_000
PAGES = ("/", "/pools", "/pools/local", "/runs", "/deployments", "/webhooks", "/blocks")


def _asked(page: Page) -> list[str]:
    asked: list[str] = []

    def note(request: Request) -> None:
        asked.append(request.url)

    page.on("request", note)
    return asked


def _hide(page: Page, *, hidden: bool) -> None:
    state = "hidden" if hidden else "visible"
    page.evaluate(
        """state => {
            Object.defineProperty(document, "visibilityState", { configurable: true, get: () => state });
            document.dispatchEvent(new Event("visibilitychange"));
        }""",
        state,
    )


def test_where_nothing_happens_nothing_is_asked(show: Open, page: Page) -> None:
    page.clock.install()
    for path in PAGES:
        show(path)
        expect(page.locator("[aria-busy]")).to_have_count(0)
        asked = _asked(page)
        page.clock.run_for(MINUTE)
        page.wait_for_load_state("networkidle")
        assert asked == [], path


def test_something_that_runs_is_looked_at_twelve_times_a_minute_and_never_from_a_hidden_tab(
    place: Place, show: Open, page: Page
) -> None:
    run = place.run(place.deployment("goes-on", "local", command="sleep 600"), "goes-on")
    page.clock.install()
    show("/pools/local")
    expect(page.locator(".slot").first).to_contain_text("goes-on")
    asked = _asked(page)
    for _ in range(12):
        with page.expect_response(re.compile("/skylift/work_pools/local$")):
            page.clock.run_for(MINUTE // 12)
    assert len(asked) <= 12

    _hide(page, hidden=True)
    asked.clear()
    page.clock.run_for(5 * MINUTE)
    page.wait_for_load_state("networkidle")
    assert asked == []
    with page.expect_response(re.compile("/skylift/work_pools/local$")):
        _hide(page, hidden=False)
    place.ask("POST", f"/flow_runs/{run}/set_state", {"state": {"type": "CANCELLING"}})


def test_what_has_not_changed_is_not_sent_again(place: Place, show: Open, page: Page) -> None:
    page.clock.install()
    show("/deployments")
    expect(page.locator("[aria-busy]")).to_have_count(0)
    with page.expect_response(re.compile("/skylift/deployments")) as answered:
        page.clock.run_for(2_000)
        page.evaluate("dispatchEvent(new Event('focus'))")
    headers = answered.value.request.all_headers()
    assert headers["if-none-match"]
    assert place.http.get(answered.value.url, headers={"If-None-Match": headers["if-none-match"]}).status_code == 304
    assert answered.value.status in (200, 304)
