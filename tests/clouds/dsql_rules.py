"""What Aurora DSQL refuses, as far as its user guide says: statements that it does not have, and what a transaction may
not hold. Within the subset of tests/support/sql_subset.py, and beyond it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tests.support.sql_subset import TEXTS, fault_of

ROWS = 3_000
"""Changed by one transaction."""
TRANSACTION = 10 * 1024 * 1024
COLUMN = 1024 * 1024
"""Bytes of one value."""
KINDS = {
    **dict.fromkeys(("create", "alter", "drop"), "ddl"),
    **dict.fromkeys(("insert", "update", "delete"), "write"),
    **dict.fromkeys(("select", "values", "with", "show"), "read"),
    **dict.fromkeys(("begin", "start"), "begin"),
    **dict.fromkeys(("commit", "end"), "commit"),
    **dict.fromkeys(("rollback", "abort"), "rollback"),
    **dict.fromkeys(("set", "deallocate", "discard"), "setting"),
}
_WRITES = re.compile(r"\b(insert\s+into|update|delete\s+from)\b", re.IGNORECASE)
_ASYNC = re.compile(r"^(\s*create\s+(?:unique\s+)?index\s+)async\s+", re.IGNORECASE)
_INDEX = re.compile(r"^\s*create\s+(unique\s+)?index\b", re.IGNORECASE)
_TABLE_CHANGE = re.compile(r"^\s*alter\s+table\s+(if\s+exists\s+)?(only\s+)?\S+\s+(?P<action>.*)$", re.I | re.S)
_ACTIONS = (
    r"add\s+(column\s+)?(if\s+not\s+exists\s+)?\S+\s+[a-z0-9 ()]+",
    r"drop\s+(column\s+)?(if\s+exists\s+)?\S+(\s+(restrict|cascade))?",
    r"rename\s+.*",
    r"alter\s+(column\s+)?\S+\s+(set\s+default\s+.*|drop\s+default|drop\s+not\s+null)",
)
_CONSTRAINTS = re.compile(r"\b(default|not\s+null|unique|primary|check|references|generated|constraint)\b", re.I)
_OTHER_ISOLATION = re.compile(r"\b(serializable|read\s+(un)?committed)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Refusal:
    code: str
    """SQLSTATE."""
    message: str


def unsupported(what: str) -> Refusal:
    return Refusal("0A000", f"unsupported: {what}")


def kind_of(statement: str) -> str:
    """One of the values of `KINDS`, `nothing`, or `other`."""
    bare = statement.lstrip("( \t\r\n")
    if not bare.strip("; "):
        return "nothing"  # what the driver sends to see whether anybody is there
    kind = KINDS.get(re.split(r"\W", bare, maxsplit=1)[0].lower(), "other")
    return "write" if kind == "read" and bare[:4].lower() == "with" and _WRITES.search(bare) else kind


def refused(statement: str) -> Refusal | None:
    """Whatever the transaction."""
    kind, bare = kind_of(statement), TEXTS.sub("''", statement)
    if kind == "other":
        return unsupported(statement.split()[0])
    if kind in ("begin", "setting") and _OTHER_ISOLATION.search(bare):
        return unsupported("isolation levels other than REPEATABLE READ")
    if kind == "ddl" and (refusal := _refused_change(TEXTS.sub("x", statement))):
        return refusal
    fault = fault_of(as_postgres(statement))
    return unsupported(fault) if fault else None


def _refused_change(bare: str) -> Refusal | None:
    if _INDEX.match(bare) and not _ASYNC.match(bare):
        return Refusal("0A000", "unsupported mode. please use CREATE INDEX ASYNC")
    if found := _TABLE_CHANGE.match(bare):
        action = found["action"].strip().rstrip(";")
        adds = re.match(r"add\b", action, re.IGNORECASE)
        if not any(re.fullmatch(each, action, re.I | re.S) for each in _ACTIONS) or (
            adds and _CONSTRAINTS.search(action)
        ):
            return unsupported(f"ALTER TABLE {action}")
    return None


def as_postgres(statement: str) -> str:
    """The same for PostgreSQL, which builds indexes at once."""
    return _ASYNC.sub(r"\1", statement)


def is_async(statement: str) -> bool:
    return bool(_ASYNC.match(statement))


@dataclass(slots=True)
class Transaction:
    """What a transaction has done so far."""

    changes: int = 0
    """Of the catalogue."""
    reads: int = 0
    writes: int = 0
    rows: int = 0
    size: int = 0
    """Bytes that it was given to write."""

    @property
    def is_fresh(self) -> bool:
        return not (self.changes or self.reads or self.writes)

    def take(self, kind: str, values: list[int]) -> Refusal | None:
        """Note one more statement, whose values are so long."""
        if kind == "ddl":
            if self.changes:
                return Refusal("0A000", "multiple ddl statements are not supported in a transaction")
            if not self.is_fresh:
                return Refusal("0A000", "ddl and dml are not supported in the same transaction")
            self.changes += 1
        elif self.changes and kind in ("read", "write"):
            return Refusal("0A000", "ddl and dml are not supported in the same transaction")
        self.reads += kind == "read"
        if kind == "write":
            self.writes += 1
            self.size += sum(values)
            if max(values, default=0) > COLUMN:
                return Refusal("54000", "maximum column size exceeded")
            if self.size > TRANSACTION:
                return Refusal("54000", f"transaction size limit 10mb exceeded: {self.size} bytes")
        return None

    def changed(self, rows: int) -> Refusal | None:
        """Note what a statement has done."""
        self.rows += rows
        return Refusal("54000", "transaction row limit exceeded") if self.rows > ROWS else None
