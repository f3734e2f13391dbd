"""Connections and transactions: the same code path for SQLite and PostgreSQL.

A transaction is a function of a `Tx`. It is run again when the database refuses it for another's sake (serialization
failure, deadlock, a busy file) or it asks for that itself (`TryAgainError`), so it must do nothing but talk to the
database.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from threading import Lock
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import Connection, Dialect, Engine, Row, create_engine, event, inspect, make_url, text
from sqlalchemy.exc import DBAPIError, IntegrityError, InvalidatePoolError, OperationalError
from sqlalchemy.pool import ConnectionPoolEntry

from skylift.clock import Clock
from skylift.errors import ConflictError, MissingExtraError, SkyliftError
from skylift.ids import new_id
from skylift.store import schema_version, tables
from skylift.wakeups import NoWakeups, Wakeup, Wakeups

T = TypeVar("T")

RETRIED_SQLSTATES = {"40001", "40P01"}  # serialization_failure, deadlock_detected
ATTEMPTS = 12
BUSY_SECONDS = 30.0
IDLE_SECONDS = 1.0
"""After which a connection to PostgreSQL is tried before it is used."""


class TryAgainError(ConflictError):
    """Another request was faster: look, then try again."""


class StoreBusyError(SkyliftError):
    """The database refused the transaction again and again for the sake of others."""


@dataclass(slots=True)
class Tx:
    """A transaction under way."""

    conn: Connection
    clock: Callable[[Connection], datetime]
    wakeups: dict[Wakeup, datetime] = field(default_factory=dict)
    _now: datetime | None = None

    @property
    def now(self) -> datetime:
        """The one instant that it calls now: that of its first question for it."""
        if self._now is None:
            self._now = self.clock(self.conn)
        return self._now

    def wake(self, wakeup: Wakeup, at: datetime) -> None:
        """Send this wakeup once the transaction is committed; of several that are equal the earliest."""
        self.wakeups[wakeup] = min(at, self.wakeups.get(wakeup, at))

    def one(self, statement: Any, parameters: Any = None) -> Row[Any] | None:
        """The first row, or None."""
        return self.conn.execute(statement, parameters).first()

    def all(self, statement: Any, parameters: Any = None) -> list[Row[Any]]:
        """All rows."""
        return list(self.conn.execute(statement, parameters).all())

    def run(self, statement: Any, parameters: Any = None) -> int:
        """Execute, and say how many rows were changed. A list of parameters without a row does nothing."""
        if isinstance(parameters, list) and not parameters:
            return 0
        return self.conn.execute(statement, parameters).rowcount


class Store:
    """The database of one installation. Safe to share between threads."""

    def __init__(
        self,
        url: str,
        *,
        clock: Clock | None = None,
        wakeups: Wakeups | None = None,
        isolation_level: str | None = None,
        pool_size: int = 10,
    ) -> None:
        self.url = make_url(url)
        self.clock = clock
        self.wakeups = wakeups or NoWakeups()
        self.engine = self._engine(isolation_level, pool_size)
        self.dialect = self.engine.dialect.name
        self.readers = self.engine
        if self.dialect == "postgresql":
            self.readers = self.engine.execution_options(isolation_level="AUTOCOMMIT")
        # A file has one writer at a time, and sends others to sleep for a while: threads queue up here instead.
        self._turn: AbstractContextManager[object] = Lock() if self.dialect == "sqlite" else nullcontext()
        self._installation_id: UUID | None = None

    def _engine(self, isolation_level: str | None, pool_size: int) -> Engine:
        # Parameters would carry users' values into logs and error reports.
        options: dict[str, Any] = {"pool_size": pool_size, "max_overflow": pool_size, "hide_parameters": True}
        if self.url.get_backend_name() == "sqlite":
            options["connect_args"] = {"timeout": BUSY_SECONDS, "check_same_thread": False, "isolation_level": None}
            engine = create_engine(self.url, **options)
            event.listen(engine, "connect", _prepare_sqlite)
            event.listen(engine, "begin", _begin_sqlite)
            return engine
        if self.url.drivername in {"postgres", "postgresql"}:
            self.url = self.url.set(drivername="postgresql+psycopg")
        if isolation_level:
            options["isolation_level"] = isolation_level
        try:
            engine = create_engine(self.url, **options)
        except ModuleNotFoundError as error:
            raise MissingExtraError(
                f"PostgreSQL needs the extra 'postgres' ({error.name} is missing): pip install 'skylift[postgres]'"
            ) from error
        # Looking for the type hstore, which nothing here uses, takes a trip and a savepoint, and some have none.
        engine.dialect.use_native_hstore = False  # type: ignore[attr-defined]
        event.listen(engine, "checkin", _note_use)
        event.listen(engine, "checkout", partial(_probe, engine.dialect))
        return engine

    @property
    def answers_at_once(self) -> bool:
        """Whether a short read waits for nobody: a file's readers do not, and there is no network."""
        return self.dialect == "sqlite"

    def transaction(self, work: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Run `work(tx, …)` in one write transaction and commit it; again from the start where it lost a race."""
        for turn in range(ATTEMPTS):
            try:
                with self._turn, self.engine.connect() as conn:
                    conn = conn.execution_options(skylift_write=True)
                    with conn.begin():
                        tx = Tx(conn, self._now)
                        result = work(tx, *args, **kwargs)
                for wakeup, at in tx.wakeups.items():
                    self.wakeups.send(wakeup, at)
                return result
            except TryAgainError:
                if turn == ATTEMPTS - 1:
                    raise
            except DBAPIError as error:
                if not is_retryable(error):
                    raise
                if turn == ATTEMPTS - 1:
                    raise StoreBusyError from error
            _pause(turn)
        raise AssertionError("unreachable")

    @contextmanager
    def reading(self, *, together: bool = False) -> Iterator[Tx]:
        """For what only reads. On PostgreSQL each statement is a transaction of its own, which saves two trips to the
        database: what it sees is what was committed before it, in a longer transaction too.

        `together`: all in one transaction, which many statements are cheaper in, and which PostgreSQL needs where rows
        are to come bit by bit.
        """
        engine = self.engine if together else self.readers
        with engine.connect() as conn, conn.begin():
            yield Tx(conn, self._now)

    def holds(self, statement: Any) -> bool:
        """Whether the statement finds a row."""
        with self.reading() as tx:
            return tx.one(statement) is not None

    def _now(self, conn: Connection) -> datetime:
        if self.clock:
            return self.clock.now()
        if self.dialect == "sqlite":  # the file's clock is this machine's
            return datetime.now(UTC)
        now: datetime = conn.execute(_CLOCK).scalar_one()
        return now.astimezone(UTC)

    def migrate(self) -> None:
        """Create the tables, or bring those of an older version up to date. Safe to call from many processes."""
        from skylift.store import migrations

        migrations.upgrade(self.engine)

    def is_current(self) -> bool:
        """Whether the tables have all that this version needs, without importing Alembic. Raises `NewerTablesError`."""

        def look() -> bool:
            with self.engine.connect() as conn:
                if not inspect(conn).has_table("alembic_version"):
                    return False
                return schema_version.serves(conn.execute(_VERSION).scalar())

        return again(look)

    def version(self, tx: Tx) -> str | None:
        """The version of the tables; the database's own error where there are none."""
        found: str | None = tx.conn.execute(_VERSION).scalar()
        return found

    def ensure_current(self) -> None:
        """Migrate if that is needed. Raises `NewerTablesError` where a later version has left nothing to work with."""
        if not self.is_current():
            self.migrate()

    @property
    def installation_id(self) -> UUID:
        """Marks this installation's infrastructure. Made at the first use."""
        if self._installation_id is None:
            self._installation_id = self.transaction(_installation_id)
        return self._installation_id

    def renew_installation_id(self) -> UUID:
        """From now on this is another installation: what bears its mark so far is not its own any more."""
        self._installation_id = self.transaction(_renewed_installation_id)
        return self._installation_id

    def close(self) -> None:
        """Give all connections back."""
        self.engine.dispose()


_CLOCK = text("SELECT clock_timestamp()")
_VERSION = text("SELECT version_num FROM alembic_version")


def again(work: Callable[[], T]) -> T:
    """Do it again where it lost a race, for what is no transaction of a store. Raises `StoreBusyError` after many."""
    for turn in range(ATTEMPTS):
        try:
            return work()
        except DBAPIError as error:
            if not is_retryable(error):
                raise
        _pause(turn)
    raise StoreBusyError


def _pause(turn: int) -> None:
    time.sleep(random.uniform(0, 0.005 * 2 ** min(turn, 7)))  # noqa: S311 - jitter is no secret


def is_retryable(error: DBAPIError) -> bool:
    """Whether the same transaction may well succeed if it is simply run again."""
    if getattr(error.orig, "sqlstate", None) in RETRIED_SQLSTATES:
        return True
    return isinstance(error, OperationalError) and "database is locked" in str(error.orig)


def _installation_id(tx: Tx) -> UUID:
    row = tx.one(tables.installation.select().limit(1))
    if row:
        return row.id  # type: ignore[no-any-return]
    made = new_id()
    try:
        tx.run(tables.installation.insert().values(name="this", id=made, created=tx.now))
    except IntegrityError as error:
        raise TryAgainError("Another process has just given this installation its id") from error
    return made


def _renewed_installation_id(tx: Tx) -> UUID:
    tx.run(tables.installation.delete())
    return _installation_id(tx)


def _note_use(_connection: Any, record: ConnectionPoolEntry) -> None:
    record.info["used"] = time.time()


def _probe(dialect: Dialect, connection: Any, record: ConnectionPoolEntry, _proxy: object) -> None:
    """Whether a connection that nobody has used for a moment still is one; a trip that busy ones need not make. By the
    wall clock: the other stands still while a function is frozen."""
    if 0 <= time.time() - record.info.get("used", 0.0) < IDLE_SECONDS:
        return
    try:
        dialect.do_ping(connection)
    except Exception as error:
        raise InvalidatePoolError from error


def _prepare_sqlite(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")  # a commit that was answered survives a power cut
    cursor.close()


def _begin_sqlite(conn: Connection) -> None:
    # A deferred transaction that reads and then writes fails at once if another wrote in between.
    write = conn.get_execution_options().get("skylift_write")
    conn.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")
