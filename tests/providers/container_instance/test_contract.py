"""The container instance provider keeps the port's promises, over the wire."""

from __future__ import annotations

import pytest

from tests.clouds.azure import LocalAzure
from tests.providers.cloud_contract import CloudContract
from tests.providers.container_instance.support import ContainerInstanceHarness


class TestContainerInstance(CloudContract):
    @pytest.fixture
    def harness(self, cloud: LocalAzure) -> ContainerInstanceHarness:
        return ContainerInstanceHarness(cloud)
