"""A webhook is made for a deployment that is chosen by its name."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.console.conftest import Open
from tests.browser.console.place import Place


def test_a_webhook_is_made(place: Place, show: Open) -> None:
    deployment = place.deployment("by-hook", "local", command="true")
    page = show("/webhooks")
    page.keyboard.press("n")
    page.get_by_label("Name").fill("orders")
    label, make = page.get_by_label("Deployment"), page.get_by_role("button", name="Make it")
    [name] = page.locator("datalist option").evaluate_all("all => all.map(each => each.value)")
    label.fill("no-flow/of-this-name")
    make.click()
    expect(page.get_by_text("not found")).to_be_visible()
    label.fill(name)
    make.click()
    expect(page.get_by_role("heading", name="The secret of orders")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("row", name="orders").get_by_role("link", name=name)).to_be_visible()
    [hook] = place.ask("GET", "/skylift/webhooks/")
    assert (hook["name"], hook["deployment_id"]) == ("orders", deployment)
