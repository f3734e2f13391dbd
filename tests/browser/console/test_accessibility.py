"""Every page can be read and used by everybody: axe finds nothing, in both themes, on a telephone and on a desk."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.console import axe
from tests.browser.console.place import Place
from tests.browser.console.world import furnish
from tests.support.service import How, serving


@pytest.mark.timeout(300)
def test_no_findings(page: Page, tmp_path: Path) -> None:
    with serving(tmp_path, How.PLAIN) as service:
        place = Place(service)
        paths = furnish(place)
        page.goto(place.root)
        axe.load(page)
        wrong: list[str] = []
        for name, path in paths.items():
            page.evaluate("path => { location.hash = path }", path)
            expect(page.locator("main h1")).to_be_visible()
            expect(page.locator("[aria-busy]")).to_have_count(0)
            if name == "pool-new":
                page.get_by_role("button", name="Amazon ECS (push)").click()
            wrong += axe.findings(page, name)
        page.keyboard.press("?")
        wrong += axe.findings(page, "the list of keys")
        assert wrong == []
        place.close()


def test_no_findings_where_a_key_is_asked_for(page: Page, tmp_path: Path) -> None:
    with serving(tmp_path, How.PLAIN, SKYLIFT_API_KEY="hunter2-of-the-first-admin") as service:
        page.goto(Place(service).root)
        expect(page.get_by_label("API key")).to_be_visible()
        axe.load(page)
        page.get_by_label("API key").fill("hunter2-is-wrong")
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_text("This API key is not valid")).to_be_visible()
        assert axe.findings(page, "login") == []
