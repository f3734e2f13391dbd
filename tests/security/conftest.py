"""An API over an embedded database, which most attacks need no other than."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.api.making import Api, api_of
from tests.conftest import Databases


@pytest.fixture
def api(sqlite_url: str) -> Iterator[Api]:
    """Its clock stands still, and its cloud is in memory."""
    yield from api_of(sqlite_url)


@pytest.fixture(scope="module")
def shared(databases: Databases) -> Iterator[Api]:
    """One for all tests of a module that leave it as it was."""
    with databases.sqlite() as url:
        yield from api_of(url)
