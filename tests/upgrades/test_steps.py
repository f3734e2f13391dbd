"""Every step of the migrations, on its own: what it makes, and that the version before can go on working with it."""

from __future__ import annotations

from contextlib import closing
from itertools import pairwise

import pytest
from sqlalchemy import text

from skylift.store import Store
from skylift.store.migrations import script_directory
from skylift.store.schema_version import number, oldest_served
from skylift.store.tables import metadata
from tests.conftest import Databases, Kind
from tests.upgrades.past import upgrade
from tests.upgrades.schema import described, missed

STEPS = [each.revision for each in script_directory().walk_revisions()][::-1]


def test_the_steps_make_the_tables_that_the_code_knows(empty_url: str, databases: Databases) -> None:
    """Whoever changes `skylift.store.tables` adds a step: `versions/0001_first.py` stays as it is."""
    kind: Kind = "sqlite" if empty_url.startswith("sqlite") else "postgres"
    with closing(Store(empty_url)) as migrated, databases.unmigrated(kind) as other:
        migrated.migrate()
        with closing(Store(other)) as wanted:
            metadata.create_all(wanted.engine)
            assert described(migrated.engine) == described(wanted.engine)


def test_steps_are_numbered_in_their_order() -> None:
    """By that alone a process knows whether tables are later than it (`schema_version.py`)."""
    assert [number(each) for each in STEPS] == list(range(1, len(STEPS) + 1))
    oldest = [oldest_served(each) for each in STEPS]
    assert oldest == sorted(oldest), "what an earlier step took away has not come back"


def test_a_step_leaves_the_version_before_what_it_needs_or_says_so(empty_url: str) -> None:
    """What a step takes away, no code of the version before may have used any more, and its id says `_from_` that one:
    first a release without the use of it, then one without it."""
    with closing(Store(empty_url)) as store:
        for before, step in pairwise(STEPS):
            upgrade(store.engine, before)
            old = described(store.engine)
            upgrade(store.engine, step)
            assert not missed(old, described(store.engine)) or oldest_served(step) >= number(before), step


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ("DROP TABLE due", "due"),
        ("ALTER TABLE flows DROP COLUMN labels", "flows.labels"),
        ("ALTER TABLE flows RENAME COLUMN labels TO marks", "flows.labels flows.marks"),
        ("ALTER TABLE flows ALTER COLUMN tags TYPE varchar(10)", "flows.tags"),
        ("ALTER TABLE deployments ALTER COLUMN path SET NOT NULL", "deployments.path"),
        ("ALTER TABLE flows ADD COLUMN more text NOT NULL", "flows.more"),
        ("ALTER TABLE flow_runs ADD UNIQUE (name)", "flow_runs(name)"),
        ("ALTER TABLE flows ADD COLUMN more text", ""),
        ("ALTER TABLE flows ADD COLUMN more text NOT NULL DEFAULT 'x'", ""),
        ("ALTER TABLE flows ALTER COLUMN labels DROP NOT NULL", ""),
        ("CREATE TABLE more (id uuid PRIMARY KEY)", ""),
        ("CREATE INDEX more ON flows (created)", ""),
    ],
)
def test_it_would_be_noticed(postgres_tables: Store, change: str, what: str) -> None:
    with postgres_tables.engine.connect() as conn, conn.begin() as transaction:
        old = described(conn)
        conn.execute(text(change))
        assert " ".join(sorted(missed(old, described(conn)))) == what
        transaction.rollback()
