"""A local Azure of each test's own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.clouds.azure import LocalAzure
from tests.providers.container_instance.support import ContainerInstanceHarness, azure


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalAzure]:
    with azure(monkeypatch) as cloud:
        yield cloud


@pytest.fixture
def harness(cloud: LocalAzure) -> ContainerInstanceHarness:
    return ContainerInstanceHarness(cloud)
