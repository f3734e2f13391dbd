"""Runs of every kind through a real `skylift serve` and the local Google."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from skylift_cloud_run.credentials import ENDPOINT
from tests.clouds.google import LocalGoogle
from tests.providers.cloud_run.support import ACCOUNT, DECLARED, PROJECT, REGION, CloudRunHarness
from tests.providers.journeys import Ground, Journeys

IMAGES = f"{REGION}-docker.pkg.dev/{PROJECT}/flows"


@pytest.fixture(scope="class")
def cloud() -> Iterator[LocalGoogle]:
    with LocalGoogle() as cloud:
        cloud.allowed, cloud.run.stop_grace = DECLARED, 5.0
        cloud.secrets.put(PROJECT, "skylift-pool", "the-secret-of-the-pool")
        yield cloud


class TestCloudRun(Journeys):
    @pytest.fixture(scope="class")
    @classmethod
    def ground(cls, cloud: LocalGoogle) -> Ground:
        return Ground(
            type="cloud-run-v2:push",
            variables={
                "project": PROJECT,
                "region": REGION,
                "service_account_name": ACCOUNT,
                "image": f"{IMAGES}/etl:1",
                "pool_secret": "skylift-pool:1",
            },
            containers=cloud.containers,
            leftovers=CloudRunHarness(cloud).leftovers,
            environment={ENDPOINT: cloud.url},
            unpullable={"image": f"{IMAGES}/missing:1"},
            hungry={"memory": "64Mi"},
        )
