"""One stand-in for the rest of AWS per module; each test has an account of its own in it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.clouds.aws import LocalAws
from tests.clouds.aws_backends import BACKENDS, Backend
from tests.providers.ecs.support import ALLOWED, furnish

SECRETS = ("hunter2", "the-pools-secret", "the-databases")
"""What every secret value of these tests has in it."""


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
    """Refuses every call that the façade does not declare, and has seen no secret where secrets do not belong."""
    furnish(ministack)
    with LocalAws(ministack, allowed=ALLOWED) as made:
        yield made
        shown = made.journal.shown()
    assert not [each for each in SECRETS if each in shown]
