"""How many transactions a piece of work takes on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, event


@contextmanager
def transactions_of(engine: Engine) -> Iterator[list[str]]:
    """What began one, as it comes: BEGIN, and each statement of a connection that commits by itself."""
    found: list[str] = []

    def begins(conn: Connection) -> None:
        if not _commits_by_itself(conn):
            found.append("BEGIN")

    def is_sent(conn: Connection, _cursor: object, sql: str, *_: Any) -> None:
        if _commits_by_itself(conn):
            found.append(sql)

    event.listen(engine, "begin", begins)
    event.listen(engine, "before_cursor_execute", is_sent)
    try:
        yield found
    finally:
        event.remove(engine, "begin", begins)
        event.remove(engine, "before_cursor_execute", is_sent)


def _commits_by_itself(conn: Connection) -> bool:
    return bool(getattr(conn.connection.dbapi_connection, "autocommit", False))
