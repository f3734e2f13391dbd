"""An empty local Azure, and somebody who is signed in to it."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from skylift_infra.azure import account
from tests.clouds.azure_infra import LocalSubscription
from tests.clouds.azure_login import CLIENT, CLIENT_SECRET, TENANT
from tests.infra.azure.subscription import Pools


@pytest.fixture
def pools(monkeypatch: pytest.MonkeyPatch) -> Iterator[Pools]:
    for name in [*os.environ]:
        if name.startswith(("AZURE_", "IDENTITY_", "MSI_")):
            monkeypatch.delenv(name)
    monkeypatch.setattr(account, "RETRIES", 0)  # whatever goes wrong once is to be seen
    monkeypatch.setattr(account, "POLL", 0.01)
    with LocalSubscription() as cloud:
        own = {"AZURE_CLIENT_ID": CLIENT, "AZURE_CLIENT_SECRET": CLIENT_SECRET, "AZURE_TENANT_ID": TENANT}
        for name, value in {**cloud.environment(), **own}.items():
            monkeypatch.setenv(name, value)
        yield Pools(cloud)
