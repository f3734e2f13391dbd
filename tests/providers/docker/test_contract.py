"""The provider of containers keeps the port's promises, over a real engine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.providers.cloud_contract import CloudContract
from tests.providers.docker.support import DockerHarness, running_harness

pytestmark = pytest.mark.containers


class TestDocker(CloudContract):
    @pytest.fixture
    def harness(self, tmp_path: Path) -> Iterator[DockerHarness]:
        yield from running_harness(tmp_path)
