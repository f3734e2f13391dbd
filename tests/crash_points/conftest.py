"""The host that forks what is killed, one for a module of tests."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator

import pytest

from tests.chaos.forks import Host

MODULES = (
    "tests.crash_points.engine",
    "tests.crash_points.machine",
    "tests.crash_points.provisioning",
    "skylift.api.app",
)


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    made = Host(tmp_path_factory.mktemp("host") / "log", *MODULES)
    yield made
    made.close()


@pytest.fixture
def chance() -> random.Random:
    """SKYLIFT_TEST_SEED=N replays which points are struck."""
    seed = int(os.environ.get("SKYLIFT_TEST_SEED", time.time_ns() % 1_000_000))
    print(f"\nSKYLIFT_TEST_SEED={seed}")
    return random.Random(seed)
