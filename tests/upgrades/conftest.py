"""Databases without any tables, of each kind in turn."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conftest import Databases


@pytest.fixture(params=["sqlite", "postgres"])
def empty_url(request: pytest.FixtureRequest, databases: Databases) -> Iterator[str]:
    """An empty database of each kind."""
    with databases.unmigrated(request.param) as url:
        yield url
