"""Runs of every kind in real containers, from a schedule to their end."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.providers.docker.support import EngineContainers, engine_url
from tests.providers.journeys import Ground, Journeys

pytestmark = pytest.mark.containers


class TestDocker(Journeys):
    @pytest.fixture(scope="class")
    @classmethod
    def ground(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
        url = engine_url()
        containers = EngineContainers(url, tmp_path_factory.mktemp("marks"))
        code = tmp_path_factory.getbasetemp()
        variables = {
            "image": os.environ["TEST_IMAGE"],
            "network_mode": "host",  # the API listens on loopback
            "volumes": [f"{code}:{code}:ro"],
            "init": True,  # `sleep` as process 1 would not hear a signal
            "mem_limit": "1g",
        }
        yield Ground(
            "docker:push",
            variables,
            containers,
            lambda: [each["Names"][0] for each in containers.ours()],
            environment={"DOCKER_HOST": url},
            unpullable={"image": f"{os.environ['TEST_REGISTRY']}/open/tool:none"},
            hungry={"mem_limit": "64m", "memswap_limit": "64m"},
        )
        containers.close()
