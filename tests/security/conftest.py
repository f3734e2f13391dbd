"""An API over an embedded database, which most attacks need no other than."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.api.making import Api, api_of


@pytest.fixture
def api(sqlite_url: str) -> Iterator[Api]:
    """Its clock stands still, and its cloud is in memory."""
    yield from api_of(sqlite_url)
