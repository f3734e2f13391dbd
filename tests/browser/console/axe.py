"""What axe says of a page, in both themes, on a telephone and on a desk."""

from __future__ import annotations

from typing import Any, Literal

from playwright.sync_api import Page

from tests.support.service import ROOT

SCRIPT = ROOT / "console" / "node_modules" / "axe-core" / "axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
SETTLED = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 50))))"
"""What hangs on the size is drawn anew."""
RUN = "rules => axe.run({ runOnly: rules, resultTypes: ['violations'] })"
SIDEWAYS = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
WIDTHS = (1400, 360)


def load(page: Page) -> None:
    """Once for a page that is loaded; routes of the console do not load anew."""
    page.evaluate(SCRIPT.read_text())


def findings(page: Page, name: str) -> list[str]:
    """Each with the theme and the width that it was seen in."""
    wrong = []
    for theme in THEMES:
        page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            page.evaluate(SETTLED)
            wrong += [f"{name}, {theme}, {width}: {each}" for each in _violations(page)]
            if page.evaluate(SIDEWAYS):
                wrong.append(f"{name}, {width}: it scrolls sideways")
    return wrong


def _violations(page: Page) -> list[str]:
    found: dict[str, Any] = page.evaluate(RUN, RULES)
    return [f"{each['id']}: {node['html'][:160]}" for each in found["violations"] for node in each["nodes"]]
