"""An installation over each kind of database."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conftest import Databases
from tests.support.installation import Installation


@pytest.fixture
def place(store_url: str) -> Iterator[Installation]:
    made = Installation(store_url)
    yield made
    made.close()


@pytest.fixture(
    params=[
        ("sqlite", None),
        pytest.param(("postgres", "READ COMMITTED"), marks=pytest.mark.plain_postgres),
        pytest.param(("postgres", "REPEATABLE READ"), marks=pytest.mark.long),
    ],
    ids=lambda kind: f"{kind[0]}-{kind[1]}",
)
def raced_place(request: pytest.FixtureRequest, databases: Databases) -> Iterator[Installation]:
    """One over each kind of database and isolation level under which transactions may race."""
    kind, isolation = request.param
    with databases.fresh(kind) as url:
        made = Installation(url, isolation_level=isolation)
        yield made
        made.close()
