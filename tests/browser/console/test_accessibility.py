"""Every page can be read and used by everybody: axe finds nothing, in both themes, on a telephone and on a desk."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import pytest
from playwright.sync_api import Page, expect

from tests.browser.console.place import Place
from tests.browser.console.world import furnish
from tests.support.service import ROOT, How, serving

AXE = ROOT / "console" / "node_modules" / "axe-core" / "axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
SETTLED = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 50))))"
"""What hangs on the size is drawn anew."""
THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
WIDTHS = (1400, 360)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Place, dict[str, str]]]:
    with serving(tmp_path_factory.mktemp("home"), How.PLAIN) as service:
        place = Place(service)
        yield place, furnish(place)
        place.close()


def _findings(page: Page) -> list[str]:
    found: dict[str, Any] = page.evaluate("rules => axe.run({ runOnly: rules, resultTypes: ['violations'] })", RULES)
    return [f"{each['id']}: {node['html'][:160]}" for each in found["violations"] for node in each["nodes"]]


def _scrolls_sideways(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"))


def _check(page: Page, name: str, wrong: list[str]) -> None:
    for theme in THEMES:
        page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            page.evaluate(SETTLED)
            wrong += [f"{name}, {theme}, {width}: {each}" for each in _findings(page)]
            if _scrolls_sideways(page):
                wrong.append(f"{name}, {width}: it scrolls sideways")


@pytest.mark.timeout(240)
def test_no_findings(world: tuple[Place, dict[str, str]], page: Page) -> None:
    place, paths = world
    wrong: list[str] = []
    page.goto(place.root)
    page.evaluate(AXE.read_text())
    for name, path in paths.items():
        page.evaluate("path => { location.hash = path }", path)
        expect(page.locator("main h1")).to_be_visible()
        expect(page.locator("[aria-busy]")).to_have_count(0)
        if name == "pool-new":
            page.get_by_role("button", name="Amazon ECS (push)").click()
        _check(page, name, wrong)
    page.keyboard.press("?")
    _check(page, "help", wrong)
    assert wrong == []
