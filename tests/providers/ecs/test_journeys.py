"""Runs of every kind through a real service and the local AWS."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.clouds.aws import LocalAws
from tests.clouds.aws_backends import Backend
from tests.providers.ecs.support import ALLOWED, BUCKET, CLUSTER, ROLE, furnish, leftovers
from tests.providers.journeys import Ground, Journeys


class TestJourneys(Journeys):
    @pytest.fixture(scope="class")
    @classmethod
    def ground(cls, ministack: Backend) -> Iterator[Ground]:
        furnish(ministack)
        with LocalAws(ministack, allowed=ALLOWED) as cloud:
            yield Ground(
                type="ecs:push",
                variables={
                    "aws_credentials": cloud.credentials,
                    "cluster": CLUSTER,
                    "execution_role_arn": ROLE,
                    "secrets_bucket": BUCKET,
                    "cpu": 256,
                    "stop_timeout": 5,
                },
                containers=cloud.containers,
                leftovers=lambda: leftovers(cloud),
                unpullable={"image": "missing:1"},
                hungry={"memory": 512},
            )
