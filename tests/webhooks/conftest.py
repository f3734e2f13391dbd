"""Webhooks over each kind of database."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.webhooks.making import Hooks, hooks_of


@pytest.fixture
def hooks(store_url: str) -> Iterator[Hooks]:
    yield from hooks_of(store_url)
