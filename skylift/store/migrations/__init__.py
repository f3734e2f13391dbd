"""Alembic migrations, run from code: no ini file, the engine is the store's own."""

from __future__ import annotations

from pathlib import Path

from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, text

from skylift.store.migrations import stepwise
from skylift.store.schema_version import STEPWISE, serves

FOLDER = Path(__file__).parent
LOCK = 0x5C71F7  # any constant: one migration at a time per Postgres database


def script_directory() -> ScriptDirectory:
    """Where the revisions are."""
    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    config.set_main_option("path_separator", "os")
    return ScriptDirectory.from_config(config)


def upgrade(engine: Engine) -> None:
    """Bring the database to the newest revision while nobody else does: in one transaction, or step by step where the
    database takes no such transaction."""
    scripts = script_directory()
    if engine.get_execution_options().get(STEPWISE):
        stepwise.upgrade(engine, scripts)
        return
    with engine.connect() as conn:
        conn = conn.execution_options(skylift_write=True)
        with conn.begin():
            _lock(conn)
            context = MigrationContext.configure(
                conn, opts={"fn": lambda revision, _context: scripts._upgrade_revs("head", revision)}
            )
            if serves(context.get_current_revision()):
                return  # another process was faster, and it may have known of later steps
            with Operations.context(context):
                context.run_migrations()


def _lock(conn: Connection) -> None:
    if conn.dialect.name == "postgresql":
        conn.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK})
