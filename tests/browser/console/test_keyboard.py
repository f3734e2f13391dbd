"""Without a mouse: a pool is made, and a run is cancelled."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.browser.console.conftest import Open
from tests.browser.console.place import Place

FOCUSED = """() => {
    const at = document.activeElement;
    if (at === document.body) return "";  // nothing has the focus: the text would be all of the page's
    return (at.textContent || "") + (at.labels?.[0]?.textContent || "");
}"""


def _tab_to(page: Page, text: str, *, most: int = 60) -> None:
    """Moves the focus forward until it is on what says this, and checks that the focus is seen."""
    expect(page.get_by_text(text).first).to_be_visible()
    for _ in range(most):
        page.keyboard.press("Tab")
        found = page.evaluate(FOCUSED)
        if text in found:
            outline = page.evaluate("() => getComputedStyle(document.activeElement).outlineStyle")
            assert outline != "none", f"{text} has no ring"
            return
    raise AssertionError(f"Tab does not lead to {text!r}")


def test_a_pool_is_made(place: Place, show: Open) -> None:
    page = show("/")
    page.keyboard.press("g")
    page.keyboard.press("p")
    expect(page.locator("main h1")).to_have_text("Work pools")
    page.keyboard.press("n")
    expect(page.locator("main h1")).to_contain_text("New work pool")
    _tab_to(page, "Process (push)")
    page.keyboard.press("Enter")
    expect(page.get_by_label("Name (needed)")).to_be_focused()
    page.keyboard.type("by-keys")
    _tab_to(page, "Create work pool")
    page.keyboard.press("Enter")
    expect(page.locator("main h1")).to_have_text("by-keys")
    assert place.ask("GET", "/work_pools/by-keys")["type"] == "process:push"


def test_a_run_is_found_and_cancelled(place: Place, show: Open) -> None:
    run = place.run(place.deployment("sleeps", "local", command="sleep 600"), "sleeper")
    page = show("/")
    page.keyboard.press("g")
    page.keyboard.press("r")
    expect(page.get_by_role("link", name="sleeper")).to_be_visible()
    page.keyboard.press("/")
    page.keyboard.type("sleep")
    page.keyboard.press("Escape")
    expect(page).to_have_url(place.page("/runs?q=sleep"))
    page.keyboard.press("j")
    expect(page.get_by_role("link", name="sleeper")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main h1")).to_contain_text("sleeper")
    page.keyboard.press("c")
    expect(page.locator(".head .state")).to_have_text("Cancelled")
    assert place.read(run)["state_type"] == "CANCELLED"


def test_the_keys_are_listed_and_the_list_goes_away(show: Open) -> None:
    page = show("/")
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog", name="Keys")
    expect(dialog).to_contain_text("previous row")
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
