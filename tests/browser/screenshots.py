"""Pictures of the console's pages in both themes, for docs/console.md: `make screenshots`.

python -m tests.browser.screenshots
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, Page, ViewportSize, expect, sync_playwright

from tests.browser.conftest import ARGUMENTS, CHROMIUM
from tests.browser.console.place import Place
from tests.browser.console.world import furnish, furnish_cloud
from tests.clouds.aws import LocalAws
from tests.clouds.aws_backends import Ministack
from tests.providers.ecs.support import ALLOWED, ground
from tests.providers.ecs.support import furnish as furnish_account
from tests.support.service import ROOT, How, serving

TARGET = ROOT / "docs" / "console"
THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
SIZE: ViewportSize = {"width": 1240, "height": 760}
PATIENCE = 30_000
MOST = 150_000
"""Bytes of one picture."""
KEY = "hunter2-of-the-screenshots"
LEFT_OUT = ("run-details", "run-variables", "pool-template")
"""Pages that show nothing that others do not."""


@contextmanager
def _cloud() -> Iterator[LocalAws]:
    with Ministack() as backend:
        furnish_account(backend)
        with LocalAws(backend, allowed=ALLOWED) as cloud:
            yield cloud


def _prepare(page: Page, name: str) -> None:
    """What is to be seen of a page that shows it only after a click."""
    if name == "pool-new":
        page.get_by_role("button", name="Amazon ECS (push)").click()
        page.get_by_label("Name (needed)").fill("nightly")
        page.locator('[data-field="cpu"]').get_by_role("textbox").fill("abc")
        page.locator('[data-field="memory"]').scroll_into_view_if_needed()
    if name == "deployment-run":
        page.get_by_label("Day (needed)").fill("2026-03-02")


def take(browser: Browser, place: Place, paths: dict[str, str]) -> None:
    TARGET.mkdir(exist_ok=True)
    expect.set_options(timeout=PATIENCE)
    for theme in THEMES:
        context = browser.new_context(viewport=SIZE, color_scheme=theme, locale="en-GB", timezone_id="UTC")
        page = context.new_page()
        for name, path in paths.items():
            page.goto(place.page(path))
            expect(page.locator("main h1")).to_be_visible()
            expect(page.locator("[aria-busy]")).to_have_count(0)
            _prepare(page, name)
            file = TARGET / f"{name}-{theme}.png"
            page.screenshot(path=file, animations="disabled", caret="hide")
            size = file.stat().st_size
            assert size <= MOST, f"{file} has {size} bytes"
            print(f"{file.relative_to(ROOT)}: {size / 1000:.0f} kB")
        context.close()


def take_login(browser: Browser) -> None:
    """Of a service that asks for a key."""
    with tempfile.TemporaryDirectory() as home, serving(Path(home), How.PLAIN, SKYLIFT_API_KEY=KEY) as service:
        place = Place(service, KEY)
        take(browser, place, {"login": "/"})
        place.close()


def main() -> None:
    with _cloud() as cloud, tempfile.TemporaryDirectory() as home, serving(Path(home), How.PLAIN) as service:
        place = Place(service)
        paths = furnish(place) | furnish_cloud(place, cloud, ground(cloud))
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
            take(browser, place, {name: path for name, path in paths.items() if name not in LEFT_OUT})
            take_login(browser)
            browser.close()
        place.close()


if __name__ == "__main__":
    main()
