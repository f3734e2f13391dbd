"""Every page of Prefect's own, with data: no part of it fails, and nothing that it asks for is refused."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Seen
from tests.browser.prefect_ui.conftest import ANALYTICS, Tab

REFUSED = re.compile(r"POST \S+/api/task_runs/filter$")
"""An artifact's page asks for a task run without an id where the artifact has none: Prefect's server refuses it."""


@pytest.mark.timeout(400)
def test_no_page_fails(tab: Tab, paths: dict[str, str], seen: Seen) -> None:
    tab.open("/dashboard")
    for name, path in paths.items():
        before = len(seen.answers)
        tab.go(path)
        tab.check()
        refused = [each for each in seen.answers[before:] if each[0] >= 400 and "/api/" in each[1]]
        assert [each for each in refused if not REFUSED.search(each[1])] == [], name
        assert seen.failures() == [], name


def test_nothing_is_measured_and_nothing_advertised(tab: Tab, seen: Seen) -> None:
    tab.open("/dashboard")
    expect(tab.page.get_by_text("Ready to scale?")).to_have_count(0)
    assert [each for each in seen.violations if re.search(ANALYTICS, each)], "it tried, and was held back"
