"""Each test has a project of its own in the local Google."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.functions.gcp.world import World, open_world


@pytest.fixture
def world(postgres_url: str, tmp_path: Path) -> Iterator[World]:
    with open_world(postgres_url, tmp_path) as made:
        yield made
