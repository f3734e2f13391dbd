"""One stand-in for the rest of AWS per module; each test has an account of its own in it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.clouds.aws import LocalAws
from tests.clouds.aws_backends import BACKENDS, Backend
from tests.providers.ecs.support import ALLOWED, furnish


@pytest.fixture(scope="session")
def ministack() -> Iterator[Backend]:
    with BACKENDS["ministack"]() as backend:
        yield backend


@pytest.fixture(scope="session")
def moto() -> Iterator[Backend]:
    with BACKENDS["moto"]() as backend:
        yield backend


@pytest.fixture
def cloud(ministack: Backend) -> Iterator[LocalAws]:
    """Refuses every call that the façade does not declare."""
    furnish(ministack)
    with LocalAws(ministack, allowed=ALLOWED) as made:
        yield made
