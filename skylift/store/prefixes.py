"""Texts that begin with another one, as each database compares them quickly and minds the case."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Boolean, ColumnElement, bindparam
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

_ESCAPE = "!"


class _Begins(FunctionElement[bool]):
    """Of column, prefix, and pattern for LIKE: PostgreSQL knows how many rows a LIKE is true of, and can plan for it.
    SQLite's LIKE does not mind the case."""

    inherit_cache = True
    type = Boolean()


@compiles(_Begins)
def _like(element: Any, compiler: Any, **options: Any) -> str:
    column, _, pattern = element.clauses
    return f"{compiler.process(column, **options)} LIKE {compiler.process(pattern, **options)} ESCAPE '{_ESCAPE}'"


@compiles(_Begins, "sqlite")
def _substr(element: Any, compiler: Any, **options: Any) -> str:
    column, prefix, _ = element.clauses
    text, begin = compiler.process(column, **options), compiler.process(prefix, **options)
    return f"substr({text}, 1, length({begin})) = {begin}"


def begins(column: ColumnElement[Any], prefix: str) -> ColumnElement[bool]:
    """Whether the text begins with this one."""
    pattern = prefix
    for each in (_ESCAPE, "%", "_"):
        pattern = pattern.replace(each, _ESCAPE + each)
    return _Begins(column, bindparam(None, prefix), bindparam(None, f"{pattern}%"))
