"""The SQL that every Postgres-compatible engine has: what is beyond it is found wherever a test executes it.

Aurora DSQL draws the line (its user guide, "Unsupported PostgreSQL features"): it has no locks that are waited for, no
savepoints, no sequences, no triggers, no JSON columns, and indexes of plain columns only. What newer versions of it
have learned (foreign keys, for one) stays out as well: others have not, and nothing here needs it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

from sqlalchemy import Connection, Engine, event

REFUSED = {
    "locks that skip": r"\bskip\s+locked\b|\bnowait\b|\block\s+table\b",
    "locks of other kinds": r"\bfor\s+(no\s+key\s+update|share|key\s+share)\b",
    "advisory locks": r"\bpg_(try_)?advisory",
    "savepoints": r"^\s*(savepoint|release\s+savepoint|rollback\s+to)\b",
    "sequences": r"\bsequence\b|\b(big|small)?serial\b|\bnextval\(|\bas\s+identity\b",
    "foreign keys": r"\bforeign\s+key\b|\breferences\b",
    "triggers and functions": r"\bcreate\s+(or\s+replace\s+)?(constraint\s+)?(trigger|function|procedure)\b|^\s*do\b",
    "what is not a plain table": r"\bcreate\s+(temp|temporary|unlogged|materialized|type|extension|tablespace)\b",
    "partitions and inheritance": r"\bpartition\s+by\s+(range|list|hash)\b|\binherits\b",
    "exclusion constraints": r"\bexclude\s+using\b",
    "truncate, vacuum and copy": r"^\s*(truncate|vacuum|copy|cluster|reindex)\b",
    "listening": r"^\s*(listen|notify|unlisten)\b|\bpg_notify\(",
    "JSON and other columns of special types": r"\bjsonb?\b|\btsvector\b|\bhstore\b|\bcitext\b|\bmoney\b|\bxml\b",
    "arrays in columns": r"^\s*(create|alter)\s+table\b.*\w\[\]",
    "collations": r"\bcollate\b",
    "indexes of a part of the rows": r"\bcreate\s+(unique\s+)?index\b.*\)\s*where\b",
    "indexes with an order or a method": r"\bcreate\s+(unique\s+)?index\b.*(\bdesc\b|\basc\b|\busing\s+(?!btree))",
    "indexes of expressions": r"\bcreate\s+(unique\s+)?index\b[^(]*\(.*\(",
}
_PATTERNS = {what: re.compile(pattern, re.IGNORECASE | re.DOTALL) for what, pattern in REFUSED.items()}
TEXTS = re.compile(r"'(?:[^']|'')*'|\"[^\"]*\"")
"""Values and quoted names: what stands in them is nobody's keyword."""


@lru_cache(maxsize=50_000)
def fault_of(statement: str) -> str | None:
    """What of it is beyond the subset."""
    bare = TEXTS.sub("''", statement)
    return next((what for what, pattern in _PATTERNS.items() if pattern.search(bare)), None)


KNOWN = ("SELECT pg_advisory_xact_lock(",)
"""Of migrations, which make tables and indexes in one transaction as well: on Aurora DSQL they do not run yet."""
OF_TESTS = "pg_temp."
"""In what fills tables for tests."""


@contextmanager
def watched() -> Iterator[dict[str, str]]:
    """What was found meanwhile in this process, by statement."""
    found: dict[str, str] = {}

    def look(conn: Connection, _cursor: object, statement: str, *_: object) -> None:
        if conn.dialect.name != "postgresql" or not (fault := fault_of(statement)):
            return
        if not statement.startswith(KNOWN) and OF_TESTS not in statement:
            found[statement] = fault

    event.listen(Engine, "before_cursor_execute", look)
    yield found
    event.remove(Engine, "before_cursor_execute", look)
