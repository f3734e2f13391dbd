"""What tables look like in a database, as values that can be compared; and what code that knew them before misses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, inspect

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


def described(database: Engine | Connection) -> dict[str, Table]:
    """Every table but Alembic's own."""
    found = inspect(database)
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


def missed(before: Mapping[str, Table], after: Mapping[str, Table]) -> list[str]:
    """What code that was written for the tables before cannot do with those after: a name each."""
    found = [name for name in before if name not in after]
    for name, old in before.items():
        if name in after:
            found += _missed_of(name, old, after[name])
    return found


def _missed_of(name: str, old: Table, new: Table) -> Iterator[str]:
    for column, was in old.columns.items():
        now = new.columns.get(column)
        if now is None or now.type != was.type or (was.nullable and not now.nullable):
            yield f"{name}.{column}"  # it reads it, writes it, or writes NULL into it
    for column, now in new.columns.items():
        if column not in old.columns and not now.nullable and now.default is None:
            yield f"{name}.{column}"  # it cannot insert without it
    for keys in [{new.primary_key} - {old.primary_key}, new.unique - old.unique]:
        for each in keys:
            yield f"{name}({', '.join(each)})"  # it does not keep to it
