"""Every step of the migrations, on its own: what it makes, and that the version before can go on working with it."""

from __future__ import annotations

from contextlib import closing

from skylift.store import Store
from skylift.store.tables import metadata
from tests.conftest import Databases, Kind
from tests.upgrades.schema import described


def test_the_steps_make_the_tables_that_the_code_knows(empty_url: str, databases: Databases) -> None:
    """Whoever changes `skylift.store.tables` adds a step: `versions/0001_first.py` stays as it is."""
    kind: Kind = "sqlite" if empty_url.startswith("sqlite") else "postgres"
    with closing(Store(empty_url)) as migrated, databases.unmigrated(kind) as other:
        migrated.migrate()
        with closing(Store(other)) as wanted:
            metadata.create_all(wanted.engine)
            assert described(migrated.engine) == described(wanted.engine)
