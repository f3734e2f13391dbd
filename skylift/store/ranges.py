"""Where a range over a queue-like index begins."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, ColumnElement, func, select


def from_first(column: Column[Any], *of: ColumnElement[bool]) -> ColumnElement[bool]:
    """`column` is not below its least value among the rows `of`. Beside these conditions it changes no answer.

    It keeps a range short whose low end is always the one that leaves: rows that left stay in PostgreSQL's indexes
    until a vacuum, and a bitmap scan reads them all, every time. min() is found by an ordered scan, which also marks
    those entries, so that the next insert clears them away.
    """
    return column >= select(func.min(column)).where(*of).scalar_subquery()
