"""Runs of every kind through a real service and the local AWS."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.clouds.aws import LocalAws
from tests.clouds.aws_backends import Backend
from tests.providers.ecs.support import ALLOWED, furnish, ground
from tests.providers.journeys import Ground, Journeys


class TestJourneys(Journeys):
    @pytest.fixture(scope="class")
    @classmethod
    def ground(cls, ministack: Backend) -> Iterator[Ground]:
        furnish(ministack)
        with LocalAws(ministack, allowed=ALLOWED) as cloud:
            yield ground(cloud)
