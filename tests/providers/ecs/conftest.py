"""One stand-in for the rest of AWS per module; each test has an account of its own in it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from skylift_ecs import EcsProvider
from tests.clouds.audit import AUDIT
from tests.clouds.aws import LocalAws
from tests.clouds.aws_backends import BACKENDS, Backend
from tests.providers.clearing import cleared
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
    """Refuses every call that the façade does not declare."""
    AUDIT.know(*SECRETS)
    furnish(ministack)
    with LocalAws(ministack, allowed=ALLOWED) as made, cleared(made, lambda: EcsProvider(settle=0.5), lambda: None):
        yield made
