"""One deployment for all tests here; it fails, and is not skipped, where something is missing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.clouds.aws import LocalAws
from tests.conftest import Databases
from tests.serverless.stack import Address, Lambdas, Stack, empty_database, forget_uploads, missing, workspace


@pytest.fixture(scope="session")
def undeployed(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    assert not missing(), f"Run `make test-serverless`; missing: {', '.join(missing())}"
    backend = Lambdas()
    folder = workspace(tmp_path_factory.mktemp("serverless"))
    cloud = LocalAws(backend)
    backend.seen_at = cloud.url
    with databases.postgres() as url, backend, cloud, Address(backend) as address:
        yield Stack(backend, cloud, address, folder, empty_database(url))
        forget_uploads(backend)


@pytest.fixture(scope="session")
def stack(undeployed: Stack) -> Iterator[Stack]:
    params = undeployed.furnish()
    print(undeployed.osls("deploy", {**params, "api_url": f"{undeployed.address.url}/api"}))
    undeployed.address.api_id = undeployed.outputs()["HttpApiId"]
    undeployed.cloud.tasks.listeners.append(undeployed.hear)
    yield undeployed
    undeployed.cloud.tasks.listeners.clear()
