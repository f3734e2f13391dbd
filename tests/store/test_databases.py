"""The fixtures themselves: each test has a database of its own."""

from __future__ import annotations

import pytest

from skylift.store import Store, tables


@pytest.mark.parametrize("turn", [1, 2])
def test_each_test_has_a_migrated_database_of_its_own(store: Store, turn: int) -> None:
    assert store.is_current()
    with store.reading() as tx:
        assert tx.all(tables.installation.select()) == []
    assert store.installation_id == store.installation_id
