"""docs/compatibility.md says what the code does."""

from __future__ import annotations

import re

from tests.clients import compatibility
from tests.support.response_schemas import RECORD as SCHEMAS


def test_the_page_is_current() -> None:
    written = compatibility.PAGE.read_text(encoding="utf-8")
    assert written == compatibility.page(), "run: .venv/bin/python -m tests.clients.compatibility"


def test_every_entry_is_about_something() -> None:
    keys = [each.key for each in compatibility.theirs()]
    for table in (compatibility.NOT_SUPPORTED, compatibility.NOTES, compatibility.REASONS):
        for pattern in table:
            assert any(re.fullmatch(pattern, key) for key in keys), pattern


def test_the_records_are_of_one_version() -> None:
    assert compatibility.RECORD["prefect"] == SCHEMAS["prefect"]
    assert len(compatibility.RECORD["routes"]) == 149
    assert len(compatibility.RECORD["websockets"]) == 5
