"""One stand-in for AWS for all tests here; each test has an account of its own in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clouds.aws_backends import BACKENDS, Backend
from tests.functions.aws.world import World, open_world


@pytest.fixture(scope="session")
def ministack() -> Iterator[Backend]:
    with BACKENDS["ministack"]() as backend:
        yield backend


@pytest.fixture
def world(ministack: Backend, postgres_url: str, tmp_path: Path) -> Iterator[World]:
    with open_world(ministack, postgres_url, tmp_path) as made:
        yield made
