"""Databases without any tables, an API over one that has them, and the command line."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from skylift.store import Store
from tests.api.making import Api, api_of
from tests.cli.conftest import Skylift
from tests.conftest import Databases
from tests.support.service import OURS


@pytest.fixture(params=["sqlite", "postgres"])
def empty_url(request: pytest.FixtureRequest, databases: Databases) -> Iterator[str]:
    """An empty database of each kind."""
    with databases.unmigrated(request.param) as url:
        yield url


@pytest.fixture(scope="module")
def postgres_tables(databases: Databases) -> Iterator[Store]:
    """Today's tables on PostgreSQL; whoever changes them rolls that back."""
    with databases.postgres() as url, closing(Store(url)) as store:
        yield store


@pytest.fixture
def api(store_url: str) -> Iterator[Api]:
    """An API whose clock stands still, over a database of each kind."""
    yield from api_of(store_url)


@pytest.fixture
def skylift(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Skylift:
    """Commands over the embedded database in a folder of the test's."""
    for name in [*os.environ]:
        if name.startswith(OURS):
            monkeypatch.delenv(name)
    monkeypatch.setenv("SKYLIFT_HOME", str(tmp_path / "home"))
    return Skylift()
