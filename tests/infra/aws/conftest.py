"""An AWS account on this machine, and pools in it."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.clouds.aws_backends import REGION, Ministack
from tests.infra.aws.account import LocalAccount


@pytest.fixture(scope="session")
def aws() -> Iterator[Ministack]:
    with Ministack() as backend:
        yield backend


@pytest.fixture
def account(aws: Ministack, monkeypatch: pytest.MonkeyPatch) -> LocalAccount:
    """Empty but for what every account has; and whoever runs this is signed in there."""
    aws.reset()
    for name in [*os.environ]:
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    signed_in = {"ACCESS_KEY_ID": "test", "SECRET_ACCESS_KEY": "test", "DEFAULT_REGION": REGION}
    for name, value in (signed_in | {"ENDPOINT_URL": aws.url}).items():
        monkeypatch.setenv(f"AWS_{name}", value)
    return LocalAccount(aws)
