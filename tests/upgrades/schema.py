"""What tables look like in a database, as values that can be compared."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Engine, inspect

VERSION_TABLE = "alembic_version"


@dataclass(frozen=True, slots=True)
class Column:
    type: str
    nullable: bool
    default: str | None


@dataclass(frozen=True, slots=True)
class Table:
    columns: dict[str, Column]
    primary_key: tuple[str, ...]
    unique: frozenset[tuple[str, ...]]
    indexes: frozenset[tuple[str, ...]]


def described(engine: Engine) -> dict[str, Table]:
    """Every table but Alembic's own."""
    found = inspect(engine)
    tables = {}
    for name in found.get_table_names():
        if name == VERSION_TABLE:
            continue
        unique = {tuple(each["column_names"]) for each in found.get_unique_constraints(name)}
        indexes = {tuple(map(str, each["column_names"])) for each in found.get_indexes(name) if not each["unique"]}
        columns = {
            each["name"]: Column(str(each["type"]), each["nullable"], each["default"])
            for each in found.get_columns(name)
        }
        key = tuple(found.get_pk_constraint(name)["constrained_columns"])
        tables[name] = Table(columns, key, frozenset(unique), frozenset(indexes))
    return tables
