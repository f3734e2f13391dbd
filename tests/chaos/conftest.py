"""An installation with dispatchers of its own, over each kind of database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.place import Place, open_place


@pytest.fixture
def place(store_url: str, tmp_path: Path) -> Iterator[Place]:
    with open_place(store_url, tmp_path) as opened:
        yield opened
