"""The console of a real service, in which processes really run."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.console.place import Place
from tests.support.service import ROOT, How, serving

BUILT = ROOT / "skylift" / "console" / "index.html"
PATIENCE = 40_000
"""Milliseconds: what real processes and a local cloud may take on a busy machine."""


@pytest.fixture(autouse=True, scope="session")
def _built() -> None:
    if not BUILT.exists():
        pytest.fail("The console is not built; `make console` does that.")
    expect.set_options(timeout=PATIENCE)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """One service for all tests of a module, with a pool of processes named `local`."""
    with serving(tmp_path_factory.mktemp("home"), How.PLAIN) as service:
        opened = Place(service)
        opened.pool("local")
        yield opened
        opened.close()


Open = Callable[[str], Page]


@pytest.fixture
def show(page: Page, place: Place) -> Open:
    """Opens a page of the console by its path, and waits until it says something."""

    def go(path: str) -> Page:
        page.goto(place.page(path))
        expect(page.locator("main h1")).to_be_visible()
        return page

    return go
