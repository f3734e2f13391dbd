"""Migrations where a transaction takes one change of the catalogue, and no rows beside it: Aurora DSQL.

Statements are committed one by one, so a step can be left half done. Whatever it does can therefore be done twice, and
a step that was not noted as done is begun anew. A row with a lease keeps others out meanwhile, for there are no locks
that are waited for.

What a step may do here: make tables, indexes and columns that may be empty, and drop them. Indexes are built in the
background, and statements are right without them. What it does to rows has to be right when it is done twice, and
small: 3,000 rows a statement.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any

from alembic.ddl.base import AddColumn, DropColumn
from alembic.ddl.postgresql import PostgresqlImpl
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory
from sqlalchemy import Column, Connection, CursorResult, Engine, Executable, MetaData, Table, Text, Uuid, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.schema import CreateIndex, CreateTable, DropIndex, DropTable, ExecutableDDLElement

from skylift.ids import new_id
from skylift.store.engine import StoreBusyError, again
from skylift.store.schema_version import serves
from skylift.store.types import UtcDateTime

LEASE = timedelta(seconds=60)
PATIENCE = 300.0
"""Seconds to wait for another process that migrates."""
RACES = {"23505", "42P07"}
"""What PostgreSQL says where two processes make the same table at the same moment, though each says IF NOT EXISTS."""

leases = Table(
    "migration_leases",
    MetaData(),
    Column("name", Text, primary_key=True),
    Column("holder", Uuid, nullable=False),
    Column("until", UtcDateTime, nullable=False),
)


class UnrepeatableError(Exception):
    """A step does what cannot be done twice, or not without a lock."""


class LeaseLostError(StoreBusyError):
    """It took too long, and another process may have taken over."""


class Lease:
    """The right to change the tables, until `LEASE` after it was last used."""

    def __init__(self, engine: Engine) -> None:
        """`engine` commits each statement by itself."""
        self.engine, self.holder = engine, new_id()

    def take(self) -> bool:
        """Whether it was free, or its holder is gone."""
        wanted = insert(leases).values(name="this", holder=self.holder, until=_until())
        over = {"holder": self.holder, "until": _until()}
        free = leases.c.until < func.clock_timestamp()
        self._do(wanted.on_conflict_do_update(index_elements=["name"], set_=over, where=free))
        with self.engine.connect() as conn:
            return again(lambda: conn.execute(select(leases.c.holder))).scalar() == self.holder

    def use(self) -> None:
        """Raises `LeaseLostError`."""
        if not self._do(leases.update().where(leases.c.holder == self.holder).values(until=_until())):
            raise LeaseLostError

    def give_back(self) -> None:
        """Where nobody is there to take it, it runs out."""
        with suppress(SQLAlchemyError):
            self._do(leases.delete().where(leases.c.holder == self.holder))

    def _do(self, statement: Executable) -> int:
        with self.engine.connect() as conn:
            return again(lambda: conn.execute(statement)).rowcount


class StepwiseImpl(PostgresqlImpl):
    """Alembic's operations, each in such a form that doing it once more changes nothing."""

    transactional_ddl = False
    lease: Lease

    def _exec(
        self,
        construct: Executable | str,
        execution_options: Mapping[str, Any] | None = None,
        multiparams: Sequence[Mapping[str, Any]] | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> CursorResult[Any] | None:
        wanted = repeatable(construct) if isinstance(construct, ExecutableDDLElement) else construct
        self.lease.use()
        execute = super()._exec
        return again(lambda: execute(wanted, execution_options, multiparams, params or {}))


class CreateIndexAsync(CreateIndex):
    """Built in the background."""


@compiles(CreateIndexAsync)
def _create_index_async(element: CreateIndexAsync, compiler: Any, **options: Any) -> str:
    text: str = compiler.visit_create_index(element, **options)
    return text.replace("INDEX ", "INDEX ASYNC ", 1)


def repeatable(statement: ExecutableDDLElement) -> ExecutableDDLElement:
    """The same, where it is not done yet. Raises `UnrepeatableError`."""
    match statement:
        case CreateTable():
            return CreateTable(statement.element, if_not_exists=True)
        case CreateIndex() if not statement.element.unique:
            return CreateIndexAsync(statement.element, if_not_exists=True)
        case DropTable():
            return DropTable(statement.element, if_exists=True)
        case DropIndex():
            return DropIndex(statement.element, if_exists=True)
        case AddColumn() if statement.column.nullable and statement.column.server_default is None:
            statement.if_not_exists = True
            return statement
        case DropColumn():
            statement.if_exists = True
            return statement
    raise UnrepeatableError(f"No step may do this on Aurora DSQL: {type(statement).__name__} {statement}")


def upgrade(engine: Engine, scripts: ScriptDirectory) -> None:
    """Bring the database to the newest revision, from wherever another process has left it."""
    engine = engine.execution_options(isolation_level="AUTOCOMMIT")
    lease = Lease(engine)
    with engine.connect() as conn:
        _make(conn, leases)
    end = time.monotonic() + PATIENCE
    while not lease.take():
        if time.monotonic() > end:
            raise StoreBusyError
        time.sleep(0.5)
    try:
        with engine.connect() as conn:
            again(lambda: _run(conn, scripts, lease))
    finally:
        lease.give_back()


def _run(conn: Connection, scripts: ScriptDirectory, lease: Lease) -> None:
    context = MigrationContext.configure(
        conn, opts={"fn": lambda revision, _context: scripts._upgrade_revs("head", revision)}
    )
    if serves(context.get_current_revision()):
        return  # another process was faster, and it may have known of later steps
    context.impl = impl = StepwiseImpl(conn.dialect, conn, False, False, None, context.opts)
    impl.lease = lease
    _make(conn, context._version)
    with Operations.context(context):
        context.run_migrations()


def _make(conn: Connection, table: Table) -> None:
    try:
        again(lambda: conn.execute(CreateTable(table, if_not_exists=True)))
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) not in RACES:
            raise


def _until() -> Any:
    return func.clock_timestamp() + LEASE
