"""What statements cost on Postgres, in rows and buffers: figures that do not depend on the machine.

`explained` runs each statement of an operation twice: first under EXPLAIN (ANALYZE, BUFFERS) in a savepoint that is
rolled back, then for good. `counted` is the second witness: it adds nothing to the operation and reads the server's own
counters before and after it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import event, text

from skylift.store import Store

_EXPLAIN = "EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) "
_VERBS = ("SELECT", "INSERT", "UPDATE", "DELETE", "WITH")


@dataclass(frozen=True, slots=True)
class Scan:
    """One reading of a table in a plan."""

    table: str
    how: str
    """The plan's node type, `Seq Scan` for one."""
    index: str | None
    rows: float
    """Rows that were fetched, those filtered away included."""


@dataclass(frozen=True, slots=True)
class Explained:
    """One statement as it was executed."""

    sql: str
    buffers: int
    """Pages of 8 KiB touched, in memory or not, those of indexes included."""
    scans: tuple[Scan, ...]

    @property
    def rows(self) -> float:
        """Rows read from all tables."""
        return sum(scan.rows for scan in self.scans)


@dataclass(slots=True)
class Plans:
    """The statements of one operation, in their order."""

    statements: list[Explained] = field(default_factory=list)

    @property
    def rows(self) -> float:
        return sum(each.rows for each in self.statements)

    @property
    def buffers(self) -> int:
        return sum(each.buffers for each in self.statements)

    def rows_by_table(self) -> Counter[str]:
        """Rows read, by table."""
        found: Counter[str] = Counter()
        for each in self.statements:
            for scan in each.scans:
                found[scan.table] += round(scan.rows)
        return found

    def scans(self, *tables: str) -> list[Scan]:
        """Every reading of these tables."""
        return [scan for each in self.statements for scan in each.scans if scan.table in tables]

    def heaviest(self, count: int = 5) -> list[tuple[str, int, int, float]]:
        """Statements that touched the most: text, times executed, buffers, rows."""
        totals: dict[str, tuple[int, int, float]] = {}
        for each in self.statements:
            times, buffers, rows = totals.get(each.sql, (0, 0, 0.0))
            totals[each.sql] = times + 1, buffers + each.buffers, rows + each.rows
        ranked = sorted(totals.items(), key=lambda item: -item[1][1])
        return [(sql, *figures) for sql, figures in ranked[:count]]


@contextmanager
def explained(store: Store) -> Iterator[Plans]:
    """Collect the plans of everything that is executed meanwhile. Postgres only."""
    plans = Plans()

    def before(_conn: Any, cursor: Any, sql: str, parameters: Any, _context: Any, many: bool) -> None:
        if sql.lstrip().upper().startswith(_VERBS) and "clock_timestamp()" not in sql:
            for values in parameters if many else [parameters]:
                plans.statements.append(_explain(cursor.connection, sql, values))

    event.listen(store.engine, "before_cursor_execute", before)
    try:
        yield plans
    finally:
        event.remove(store.engine, "before_cursor_execute", before)


_ALONE = ("BEGIN", "ROLLBACK")
_WITHIN = ("SAVEPOINT explained", "ROLLBACK TO SAVEPOINT explained", "RELEASE SAVEPOINT explained")


def _explain(connection: Any, sql: str, values: Any) -> Explained:
    begin, *undo = _ALONE if connection.autocommit else _WITHIN
    with connection.cursor() as cursor:
        cursor.execute(begin)
        cursor.execute(_EXPLAIN + sql, values)
        plan = cursor.fetchone()[0][0]["Plan"]
        for each in undo:
            cursor.execute(each)
    return Explained(
        sql=sql,
        buffers=plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] + plan["Temp Read Blocks"],
        scans=tuple(_scans(plan)),
    )


def _scans(node: dict[str, Any]) -> Iterator[Scan]:
    if "Relation Name" in node and node["Node Type"] != "ModifyTable":
        fetched = sum(node.get(key, 0) for key in ("Actual Rows", "Rows Removed by Filter", *_RECHECKED))
        rows = fetched * node["Actual Loops"]
        yield Scan(node["Relation Name"], node["Node Type"], _index(node), rows)
    for child in node.get("Plans", ()):
        yield from _scans(child)


_RECHECKED = ("Rows Removed by Index Recheck",)


def _index(node: dict[str, Any]) -> str | None:
    if "Index Name" in node:
        return str(node["Index Name"])
    below: Iterable[str | None] = (_index(child) for child in node.get("Plans", ()))
    return next((name for name in below if name), None)


@dataclass(frozen=True, slots=True)
class Counts:
    """What the server counted during an operation, all statements together."""

    rows: int
    buffers: int


def counted(store: Store, work: Callable[[], object]) -> Counts:
    """Run `work` and read the server's counters around it. Of one thread, so that it all goes over one connection."""
    before = _counters(store)
    work()
    after = _counters(store)
    return Counts(after.rows - before.rows, after.buffers - before.buffers)


def _counters(store: Store) -> Counts:
    with store.engine.connect() as conn:
        conn.execute(text("SELECT pg_stat_force_next_flush()"))
        conn.commit()
        row = conn.execute(
            text(
                "SELECT (SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0)) FROM pg_stat_user_tables),"
                " (SELECT sum(heap_blks_read + heap_blks_hit"
                " + coalesce(idx_blks_read, 0) + coalesce(idx_blks_hit, 0)"
                " + coalesce(toast_blks_read, 0) + coalesce(toast_blks_hit, 0)"
                " + coalesce(tidx_blks_read, 0) + coalesce(tidx_blks_hit, 0)) FROM pg_statio_user_tables)"
            )
        ).one()
    return Counts(int(row[0]), int(row[1]))
