"""The ECS provider keeps the port's promises, over two independent stand-ins for AWS."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from skylift_ecs import EcsProvider
from tests.clouds.aws import LocalAws
from tests.clouds.aws_backends import Backend
from tests.providers.clearing import cleared
from tests.providers.cloud_contract import CloudContract
from tests.providers.ecs.support import ALLOWED, EcsHarness, furnish


class TestEcs(CloudContract):
    @pytest.fixture
    def harness(self, cloud: LocalAws) -> EcsHarness:
        return EcsHarness(cloud)


@pytest.mark.long
class TestEcsOverMoto(CloudContract):
    @pytest.fixture
    def harness(self, moto: Backend) -> Iterator[EcsHarness]:
        furnish(moto)
        with LocalAws(moto, allowed=ALLOWED) as made, cleared(made, lambda: EcsProvider(settle=0.5), lambda: None):
            yield EcsHarness(made)
