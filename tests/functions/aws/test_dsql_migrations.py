"""Migrations on Aurora DSQL, by the local one: each change of the catalogue by itself, and gone on with by others."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.config import Config
from alembic.ddl.base import AddColumn
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, create_engine
from sqlalchemy.exc import OperationalError
from sqlalchemy.schema import DDLElement

from skylift.store import Store, migrations, schema_version
from skylift.store.migrations import stepwise
from skylift.store.migrations.stepwise import UnrepeatableError, leases, repeatable
from skylift.store.schema_version import HEAD, STEPWISE
from skylift.store.tables import metadata
from tests.clouds.dsql import LocalDsql
from tests.conftest import Databases
from tests.upgrades import past
from tests.upgrades.schema import described

LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
STATEMENTS = 130
"""At least so many changes make the tables."""
PROCESS = """
import sys
from skylift.store import Store
from skylift.store.schema_version import STEPWISE

store = Store(sys.argv[1])
store.engine.update_execution_options(**{STEPWISE: True})
store.migrate()
"""
LATER = """
import sqlalchemy as sa
from alembic import op

revision, down_revision = "{revision}", "{before}"

def upgrade():
    {body}
"""
BODIES = {
    "9998": """op.create_table("pets", sa.Column("id", sa.Uuid, primary_key=True), sa.Column("name", sa.Text))
    op.create_index("ix_pets_name", "pets", ["name"])
    op.add_column("flows", sa.Column("colour", sa.Text))""",
    "9999": """op.execute("UPDATE flows SET colour = 'red' WHERE colour IS NULL")
    op.drop_index("ix_pets_name", "pets")
    op.drop_column("pets", "name")""",
}


@pytest.fixture
def empty(databases: Databases) -> Iterator[str]:
    with databases.unmigrated("postgres") as url:
        yield url


@pytest.fixture
def dsql(empty: str) -> Iterator[LocalDsql]:
    with LocalDsql(empty) as made:
        yield made


@pytest.fixture
def engine(dsql: LocalDsql, empty: str) -> Iterator[Engine]:
    """Through DSQL."""
    with closing(stepping(dsql.url(empty))) as store:
        yield store.engine


@pytest.fixture
def direct(empty: str) -> Iterator[Engine]:
    """Past DSQL: to look at what was made."""
    made = create_engine(empty.replace("postgresql://", "postgresql+psycopg://"))
    yield made
    made.dispose()


def stepping(url: str) -> Store:
    store = Store(url)
    store.engine.update_execution_options(**{STEPWISE: True})
    return store


def expire(direct: Engine) -> None:
    """The lease, whose holder is dead: a minute later."""
    with direct.begin() as conn:
        conn.execute(leases.update().values(until=LONG_AGO))


def check(direct: Engine, databases: Databases) -> None:
    """The tables are those that the steps make elsewhere, and nobody holds a lease."""
    with databases.postgres() as url, closing(Store(url)) as elsewhere:
        expected = described(elsewhere.engine)
    made = described(direct)
    assert made.pop(leases.name)
    assert made == expected
    with direct.connect() as conn:
        assert conn.execute(leases.select()).all() == []


def test_an_empty_database_gets_all_tables_one_statement_a_transaction(
    dsql: LocalDsql, engine: Engine, direct: Engine, databases: Databases
) -> None:
    migrations.upgrade(engine)
    check(direct, databases)
    assert dsql.catalogue > STATEMENTS
    assert {each.code for each in dsql.refusals} == {"40001"}  # for an index was built meanwhile, and was done again


def test_what_a_lost_connection_leaves_is_gone_on_with_by_another_process(
    dsql: LocalDsql, engine: Engine, direct: Engine, databases: Databases
) -> None:
    for changes in (1, 2, 60, STATEMENTS):
        dsql.breaks_at = changes
        with pytest.raises(OperationalError):
            migrations.upgrade(engine)
        assert dsql.catalogue >= changes
    dsql.breaks_at = None
    migrations.upgrade(engine)
    check(direct, databases)


@pytest.mark.long
@pytest.mark.timeout(300)
def test_what_killed_processes_leave_is_gone_on_with(
    dsql: LocalDsql, engine: Engine, direct: Engine, databases: Databases, empty: str
) -> None:
    chance = random.Random(9)
    for changes in sorted(chance.sample(range(2, STATEMENTS), 12)):
        process = subprocess.Popen([sys.executable, "-c", PROCESS, dsql.url(empty)])
        while dsql.catalogue < changes and process.poll() is None:
            time.sleep(chance.uniform(0, 0.005))
        process.send_signal(signal.SIGKILL)
        assert process.wait(10) == -signal.SIGKILL
        expire(direct)
    migrations.upgrade(engine)
    check(direct, databases)


def test_processes_that_begin_at_once_follow_one_another(
    dsql: LocalDsql, direct: Engine, databases: Databases, empty: str
) -> None:
    stores = [stepping(dsql.url(empty)) for _ in range(3)]
    with ThreadPoolExecutor(3) as threads:
        list(threads.map(lambda store: store.ensure_current(), stores))
    check(direct, databases)
    for each in stores:
        each.close()


@pytest.mark.parametrize("version", sorted(each.stem for each in past.DATA.glob("*.json")))
def test_tables_of_every_earlier_version_are_brought_up_to_date_with_their_rows(
    version: str, engine: Engine, direct: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Up to today's, and by two steps more: a table, an index and a column are made, filled and dropped."""
    then = past.read(version)
    past.upgrade(direct, version)
    past.load(then, direct)
    monkeypatch.setattr(schema_version, "HEAD", "9999")
    for _ in range(2):
        stepwise.upgrade(engine, later_steps(tmp_path))
    tables = described(direct)
    assert (set(tables) - set(metadata.tables), set(tables["pets"].columns)) == ({"pets", leases.name}, {"id"})
    with direct.connect() as conn:
        flows = conn.execute(sa.text("SELECT colour FROM flows")).scalars().all()
        assert flows == ["red"] * len(then.rows["flows"])
        for name, rows in then.rows.items():
            assert conn.execute(sa.text(f"SELECT count(*) FROM {name}")).scalar() == len(rows), name


def later_steps(folder: Path) -> ScriptDirectory:
    for (revision, body), before in zip(BODIES.items(), (HEAD, *BODIES), strict=False):
        (folder / f"{revision}.py").write_text(LATER.format(revision=revision, before=before, body=body))
    config = Config()
    config.set_main_option("script_location", str(migrations.FOLDER))
    config.set_main_option("version_locations", f"{migrations.FOLDER / 'versions'}:{folder}")
    config.set_main_option("path_separator", "os")
    return ScriptDirectory.from_config(config)


PETS = sa.Table("pets", sa.MetaData(), sa.Column("id", sa.Uuid, primary_key=True), sa.Column("name", sa.Text))


@pytest.mark.parametrize(
    "statement",
    [
        sa.schema.CreateIndex(sa.Index("uq", PETS.c.name, unique=True)),
        AddColumn("pets", sa.Column("age", sa.Integer, nullable=False)),
        AddColumn("pets", sa.Column("age", sa.Integer, server_default="1")),
        sa.schema.AddConstraint(sa.UniqueConstraint(PETS.c.name, name="uq")),
    ],
    ids=["unique index", "required column", "column with a default", "constraint"],
)
def test_a_step_that_dsql_would_not_take_says_so(statement: DDLElement) -> None:
    with pytest.raises(UnrepeatableError, match="No step may do this on Aurora DSQL"):
        repeatable(statement)
