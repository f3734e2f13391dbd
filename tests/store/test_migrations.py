"""Migrations, and the installation's id: made once, by however many processes begin at once."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sqlalchemy import inspect

from skylift.store import Store
from skylift.store.migrations import script_directory
from skylift.store.schema_version import HEAD
from skylift.store.tables import metadata


def test_the_version_that_is_compared_is_the_newest_revision() -> None:
    assert script_directory().get_current_head() == HEAD


def test_stores_that_begin_at_once_migrate_once(tmp_path: Path) -> None:
    stores = [Store(f"sqlite:///{tmp_path / 'fresh.db'}") for _ in range(4)]
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda store: store.ensure_current(), stores))
    assert all(store.is_current() for store in stores)
    assert set(metadata.tables) < set(inspect(stores[0].engine).get_table_names())
    for store in stores:
        store.close()


def test_an_installation_has_one_id(store_url: str) -> None:
    stores = [Store(store_url) for _ in range(4)]
    with ThreadPoolExecutor(4) as threads:
        assert len(set(threads.map(lambda store: store.installation_id, stores))) == 1
    for store in stores:
        store.close()


def test_a_store_that_is_current_needs_no_alembic(sqlite_url: str) -> None:
    begin = f"from skylift.store import Store; Store({sqlite_url!r}).ensure_current()"
    code = f"{begin}; import sys; print('alembic' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
