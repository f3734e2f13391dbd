"""The pages that benchmarks write their tables into."""

from __future__ import annotations

import pytest

from benchmarks.__main__ import DOCS, OTHERS, PAGES, PARTS, replaced


@pytest.mark.parametrize("name", [*PARTS, *OTHERS])
def test_each_part_has_its_place(name: str) -> None:
    page = PAGES.get(name, DOCS / "benchmarks.md").read_text()
    once = replaced(page, name, "| a table |")
    assert f"<!-- begin {name} -->\n| a table |\n<!-- end {name} -->" in once
    assert replaced(once, name, "| another |") == once.replace("| a table |", "| another |")


@pytest.mark.parametrize("page", ["no place", "<!-- begin x --><!-- end x --> <!-- begin x --><!-- end x -->"])
def test_a_page_without_exactly_one_place_is_refused(page: str) -> None:
    with pytest.raises(SystemExit, match="one place between"):
        replaced(page, "x", "text")
