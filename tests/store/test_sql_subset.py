"""The lint over all that tests execute finds what it should, and the tables are within the subset."""

from __future__ import annotations

import pytest
from sqlalchemy import Table, create_engine, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex, CreateTable, ExecutableDDLElement

from skylift.store import Store
from skylift.store.tables import metadata
from tests.support.sql_subset import fault_of, watched


@pytest.mark.parametrize(
    ("statement", "fault"),
    [
        ("SELECT id FROM due FOR UPDATE SKIP LOCKED", "locks that skip"),
        ("SELECT id FROM due FOR SHARE", "locks of other kinds"),
        ("SELECT pg_try_advisory_lock(1)", "advisory locks"),
        ("SAVEPOINT sa_savepoint_1", "savepoints"),
        ("CREATE TABLE t (id BIGSERIAL)", "sequences"),
        ("CREATE TABLE t (id BIGINT GENERATED ALWAYS AS IDENTITY)", "sequences"),
        ("CREATE TABLE t (a UUID REFERENCES u (id))", "foreign keys"),
        ("CREATE TRIGGER t BEFORE INSERT ON u EXECUTE FUNCTION f()", "triggers and functions"),
        ("CREATE TEMP TABLE t (a INT)", "what is not a plain table"),
        ("TRUNCATE flow_runs", "truncate, vacuum and copy"),
        ("LISTEN runs", "listening"),
        ("CREATE TABLE t (a JSONB)", "JSON and other columns of special types"),
        ("CREATE TABLE t (a TEXT[])", "arrays in columns"),
        ("CREATE INDEX i ON t (a) WHERE b IS NULL", "indexes of a part of the rows"),
        ("CREATE INDEX i ON t (a DESC)", "indexes with an order or a method"),
        ("CREATE INDEX i ON t USING gin (a)", "indexes with an order or a method"),
        ("CREATE INDEX i ON t (lower(a))", "indexes of expressions"),
    ],
)
def test_what_is_beyond_the_subset_is_found(statement: str, fault: str) -> None:
    assert fault_of(statement) == fault


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT 'SKIP LOCKED', \"references\" FROM schedule_slots WHERE identity = %(identity)s",
        "SELECT id FROM pools WHERE id = %(id)s FOR UPDATE",
        "INSERT INTO t (a) VALUES (1) ON CONFLICT (a) DO NOTHING",
        "CREATE UNIQUE INDEX i ON t (a, b)",
    ],
)
def test_what_is_within_it_passes(statement: str) -> None:
    assert fault_of(statement) is None


@pytest.mark.parametrize("table", metadata.sorted_tables, ids=lambda each: each.name)
def test_tables_and_indexes_are_within_it(table: Table) -> None:
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    made: list[ExecutableDDLElement] = [CreateTable(table), *map(CreateIndex, table.indexes)]
    for each in made:
        assert fault_of(str(each.compile(dialect=dialect))) is None


@pytest.mark.plain_postgres
def test_what_a_store_executes_is_watched(postgres_url: str, portable: dict[str, str]) -> None:
    statement, store = "SELECT '{}'::jsonb", Store(postgres_url)
    with store.reading() as tx:
        tx.one(text(statement))
    assert portable.pop(statement) == "JSON and other columns of special types"
    store.close()


def test_other_databases_are_left_alone() -> None:
    engine = create_engine("sqlite://")
    with watched() as found, engine.connect() as conn:
        conn.execute(text("CREATE TEMP TABLE t (a INT)"))
    assert not found
    engine.dispose()
