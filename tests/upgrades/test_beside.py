"""Today's code beside a later version's tables: as it is while that one is being deployed, and after a return to it."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from skylift.store import Store
from skylift.store.schema_version import HEAD, number
from skylift.store.tables import metadata
from tests.api.making import api_of
from tests.conftest import Databases, Kind
from tests.support.service import How, serving
from tests.upgrades import past
from tests.upgrades.load import client, under_load

LATER = f"{number(HEAD) + 1:04}"
STEP = [
    "CREATE TABLE later (id CHAR(32) NOT NULL PRIMARY KEY, more TEXT NOT NULL)",
    "CREATE INDEX ix_flow_runs_later ON flow_runs (updated)",
    "ALTER TABLE flow_runs ADD COLUMN later_counter INTEGER NOT NULL DEFAULT 0",
    *(f'ALTER TABLE "{table}" ADD COLUMN later TEXT' for table in metadata.tables),
    f"UPDATE alembic_version SET version_num = '{LATER}'",
]
"""All that a step may do for which older code has not been made ready (test_steps.py)."""


def _move_on(url: str) -> None:
    """What a process of the later version does as it begins."""
    with closing(Store(url)) as store:
        store.transaction(lambda tx: [tx.run(text(statement)) for statement in STEP])


@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgres", marks=pytest.mark.long)])
def test_every_table_is_written_and_read_as_before(kind: Kind, databases: Databases) -> None:
    with databases.unmigrated(kind) as url:
        with closing(Store(url)) as store:
            store.migrate()
        _move_on(url)
        for api in api_of(url, past.KEY):
            past.fill(api)
            assert past.ask_everything(api)


@pytest.mark.long
@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_a_service_goes_on_while_the_tables_move_on_and_begins_after_it(
    kind: Kind, databases: Databases, tmp_path: Path
) -> None:
    with databases.unmigrated(kind) as url:
        with serving(tmp_path, How.WATCHED, SKYLIFT_DATABASE_URL=url) as service, client(service) as http:
            with under_load(http) as load:
                before = load.ask()
                _move_on(url)
                after = load.ask()
            assert load.until_ended(before, after) == {"COMPLETED"}
            assert load.until_ended() == {"COMPLETED"}
        with serving(tmp_path, How.WATCHED, SKYLIFT_DATABASE_URL=url) as service, client(service) as http:
            load.http = http
            assert http.get("ready").status_code == 200
            assert load.until_ended(load.ask()) == {"COMPLETED"}
        with closing(Store(url)) as store, store.reading() as tx:
            assert store.version(tx) == LATER
