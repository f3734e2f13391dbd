"""The console stays small."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

from tests.browser.console.conftest import BUILT

FIRST, ALL = 40_000, 160_000
"""Bytes, compressed: of the first page, and of all."""


def _size(paths: list[Path]) -> int:
    return sum(len(gzip.compress(path.read_bytes(), 9)) for path in paths)


def test_the_budget() -> None:
    html = BUILT.read_text()
    first = [BUILT, *(BUILT.parent / each for each in re.findall(r'(?:src|href)="\./(assets/[^"]+)"', html))]
    assert len(first) >= 3
    everything = [path for path in BUILT.parent.rglob("*") if path.is_file()]
    assert _size(first) <= FIRST
    assert _size(everything) <= ALL


def test_nothing_is_inlined_that_the_policy_forbids() -> None:
    html = BUILT.read_text()
    assert "<style" not in html
    assert not re.search(r"<script(?![^>]*\bsrc=)", html)
