"""An installation over each kind of database."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.installation import Installation


@pytest.fixture
def place(store_url: str) -> Iterator[Installation]:
    made = Installation(store_url)
    yield made
    made.close()
