"""What every table is made with."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, MetaData, Uuid
from sqlalchemy.types import TypeEngine

from skylift.store.types import UtcDateTime

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def key() -> Column[Any]:
    return Column("id", Uuid, primary_key=True)


def times() -> tuple[Column[Any], Column[Any]]:
    return Column("created", UtcDateTime, nullable=False), Column("updated", UtcDateTime, nullable=False)


def maybe(name: str, type_: type[TypeEngine[Any]] | TypeEngine[Any]) -> Column[Any]:
    return Column(name, type_, nullable=True)


def must(name: str, type_: type[TypeEngine[Any]] | TypeEngine[Any]) -> Column[Any]:
    return Column(name, type_, nullable=False)
