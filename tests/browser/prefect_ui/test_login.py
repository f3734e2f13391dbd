"""The login of Prefect's page: an API key is the password, and a key that is revoked opens nothing any more."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.console.place import Place
from tests.support.service import How, serving

OPERATOR = "hunter2-of-the-operator"


@pytest.fixture
def place(tmp_path: Path, prefect_page: Path) -> Iterator[Place]:
    """A service that asks for a key, and has the page at a path of two segments."""
    settings = {"SKYLIFT_UI": "prefect", "SKYLIFT_PREFECT_UI_FOLDER": str(prefect_page)}
    settings |= {"SKYLIFT_PREFECT_UI_PATH": "/a/b/ui", "SKYLIFT_API_KEY": OPERATOR}
    with serving(tmp_path, How.PLAIN, **settings) as service:
        opened = Place(service, OPERATOR)
        yield opened
        opened.close()


@pytest.mark.timeout(300)
def test_a_key_opens_the_page_until_it_is_revoked(large_page: Page, place: Place) -> None:
    page = large_page
    key = place.ask("POST", "/api_keys/", {"name": "mine", "role": "deployer"})["key"]
    page.goto(place.root)
    field = page.get_by_placeholder("admin:pass")
    expect(field).to_be_visible()
    assert page.url.startswith(place.root + "a/b/ui/")
    field.fill("hunter2-wrong")
    field.press("Enter")
    expect(page.get_by_text("Invalid credentials")).to_be_visible()
    field.fill(key)
    field.press("Enter")
    expect(page.get_by_role("link", name="Dashboard")).to_be_visible()
    page.get_by_role("link", name="Work Pools").click()
    expect(page).to_have_url(place.root + "a/b/ui/work-pools")
    place.ask("DELETE", "/api_keys/mine")
    page.get_by_role("link", name="Flows").click()
    expect(page.get_by_text("Credentials are missing or not valid")).to_be_visible()
    page.reload()
    expect(field).to_be_visible()
