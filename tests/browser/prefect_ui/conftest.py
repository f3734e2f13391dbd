"""Prefect's own page, from the installed wheel, before a real service in which processes really run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, Request, expect

from tests.browser.conftest import Seen
from tests.browser.console.place import Place
from tests.browser.prefect_ui.world import furnish
from tests.support.service import ROOT, How, serving

PATIENCE = 45_000
"""Milliseconds: the page is 9 MB of JavaScript."""
ANALYTICS = r"amplitude\.com"
"""It is called on every load, whatever the settings say; the page's policy holds it back."""
GRAPH = r"reading 'x'\)\n\s+at get x .*vendor-pixi.*\n.*flow-run-graph"
"""A run's graph looks once more at what it shows after its page was left, if that happens while it moves."""
LOGOS = r"cdn\.sanity\.io|raw\.githubusercontent\.com"
"""Of block types and of pools' types."""


@pytest.fixture(scope="session")
def prefect_page() -> Path:
    """The page's files in the installed Prefect."""
    found = [*ROOT.glob(".venv-prefect/lib/python3*/site-packages/prefect/server/ui-v2")]
    if not found:
        pytest.fail("There is no Prefect in .venv-prefect; `make setup` makes it.")
    return found[0]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, prefect_page: Path) -> Iterator[Place]:
    """One service for all tests of a module, with a pool of processes named `local`."""
    settings = {"SKYLIFT_UI": "both", "SKYLIFT_PREFECT_UI_FOLDER": str(prefect_page)}
    with serving(tmp_path_factory.mktemp("home"), How.PLAIN, **settings) as service:
        opened = Place(service)
        opened.pool("local")
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def paths(place: Place) -> dict[str, str]:
    """The page's paths by name, each with something to see."""
    return furnish(place)


class Tab:
    """The page in a browser, and what it waits for."""

    def __init__(self, page: Page, root: str) -> None:
        self.page = page
        self.root = root
        self._under_way = 0
        page.on("request", self._note_start)
        page.on("requestfinished", self._note_end)
        page.on("requestfailed", self._note_end)

    def open(self, path: str) -> None:
        """Loads the page at a path."""
        self.page.goto(self.root + path)
        expect(self.page.get_by_role("link", name="Dashboard")).to_be_visible()
        self.settle()

    def go(self, path: str) -> None:
        """Goes on to another path, as a click on a link does."""
        step = "path => { history.pushState({}, '', path); dispatchEvent(new PopStateEvent('popstate')); }"
        self.page.evaluate(step, re.sub(r"^https?://[^/]+", "", self.root) + path)
        self.settle()

    def settle(self) -> None:
        """Until nothing is loaded any more, and no part stands for what is still to come."""
        quiet = 0
        while quiet < 3:
            self.page.wait_for_timeout(100)
            quiet = 0 if self._under_way > 0 else quiet + 1
        expect(self.page.locator(".animate-pulse")).to_have_count(0)

    def _note_start(self, _request: Request) -> None:
        self._under_way += 1

    def _note_end(self, _request: Request) -> None:
        self._under_way -= 1

    def check(self) -> None:
        """No part of it has failed."""
        for words in ("Something went wrong", "Failed to", "Not Found"):
            expect(self.page.get_by_text(words)).to_have_count(0)


@pytest.fixture
def large_page(page: Page, seen: Seen) -> Page:
    """One that is given time, and in which analytics and logos are held back; all else but `GRAPH` is a fault."""
    expect.set_options(timeout=PATIENCE)
    page.set_default_timeout(PATIENCE)
    seen.tolerated = f"{ANALYTICS}|{LOGOS}"
    seen.known = GRAPH
    return page


@pytest.fixture
def tab(large_page: Page, place: Place) -> Tab:
    return Tab(large_page, place.root + "ui")
