"""Runs of every kind, from a schedule to their end, through the service and a local Azure."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.clouds.azure import LocalAzure
from tests.providers.container_instance.support import ensure_nothing_secret_was_shown
from tests.providers.journeys import Ground, Journeys


@pytest.mark.long  # most of it is waiting for the next look
class TestContainerInstance(Journeys):
    @pytest.fixture(scope="class")
    @classmethod
    def ground(cls) -> Iterator[Ground]:
        with LocalAzure() as cloud:
            yield Ground(
                type="azure-container-instance:push",
                variables=cloud.variables(),
                containers=cloud.containers,
                leftovers=cloud.left,
                environment=cloud.environment(),
                unpullable={"image": "registry.example/not-there:1"},
                hungry={"memory": 0.2},
            )
            ensure_nothing_secret_was_shown(cloud)
