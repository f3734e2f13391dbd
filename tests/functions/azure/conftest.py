"""One storage account for all tests here; each test finds it empty."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clouds.azurite import Azurite, azurite
from tests.functions.azure.world import World, open_world


@pytest.fixture(scope="session")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    with azurite(tmp_path_factory.mktemp("azurite")) as made:
        yield made


@pytest.fixture
def world(storage: Azurite, postgres_url: str, tmp_path: Path) -> Iterator[World]:
    with open_world(storage, postgres_url, tmp_path) as made:
        yield made
    storage.empty()
