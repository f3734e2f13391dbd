"""A local Google of each test's own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.clouds.audit import AUDIT
from tests.clouds.google import LocalGoogle
from tests.providers.cloud_contract import SECRET
from tests.providers.cloud_run.support import local_google

SECRETS = (SECRET, "PRIVATE KEY", "the-secret-of-the-pool", "of the first version")
"""All that the tests of this folder use."""


@pytest.fixture
def cloud() -> Iterator[LocalGoogle]:
    with local_google() as cloud:
        AUDIT.know(*SECRETS)
        yield cloud
