"""A local Modal workspace with nothing of a pool in it, and somebody who is signed in to it."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from skylift_modal.connection import close_connections
from tests.clouds.modal_infra import LocalWorkspace
from tests.infra.modal.workspace import Pools


@pytest.fixture
def pools(monkeypatch: pytest.MonkeyPatch) -> Iterator[Pools]:
    for name in [*os.environ]:
        if name.startswith("MODAL_"):
            monkeypatch.delenv(name)
    with LocalWorkspace() as cloud:
        for name, value in cloud.environment.items():
            monkeypatch.setenv(name, value)
        yield Pools(cloud)
        cloud.mischief.behave()
        close_connections()
