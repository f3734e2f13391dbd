"""Variables: small named JSON values that flows and templates share. They are no place for secrets."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, select

from skylift import form_values
from skylift.errors import ConflictError, InvalidError, NotFoundError
from skylift.ids import new_id
from skylift.models.stored_values import Variable, VariableCreate, VariableUpdate
from skylift.store.engine import Tx
from skylift.store.filters import count_rows, select_filtered
from skylift.store.inserts import insert_if_new
from skylift.store.tables import variables

MAX_VALUE = 64 * 1024
"""Of a value as JSON, in characters."""


def create(tx: Tx, wanted: VariableCreate) -> Variable:
    """Raises `ConflictError` where the name is taken."""
    _check_size(wanted.value)
    values = {"id": new_id(), "created": tx.now, "updated": tx.now, **wanted.model_dump()}
    if not insert_if_new(tx, variables, values):
        raise _taken(wanted.name)
    return by_id(tx, values["id"])


def by_id(tx: Tx, variable_id: UUID) -> Variable:
    """Raises `NotFoundError`."""
    return _found(tx.one(select(variables).where(variables.c.id == variable_id)), str(variable_id))


def by_name(tx: Tx, name: str) -> Variable:
    """Raises `NotFoundError`."""
    return _found(tx.one(select(variables).where(variables.c.name == name)), repr(name))


def values(tx: Tx, names: Iterable[str]) -> dict[str, Any]:
    """The values of those of these variables that exist."""
    wanted = list(names)
    if not wanted:
        return {}
    rows = tx.all(select(variables.c.name, variables.c.value).where(variables.c.name.in_(wanted)))
    return {row.name: row.value for row in rows}


def told(tx: Tx, form: Mapping[str, Any]) -> form_values.Resolved:
    """What the values of a form stand for, variables among them."""
    return form_values.resolve(form, values(tx, set(form_values.variable_names(form))))


def find(
    tx: Tx,
    filters: Mapping[str, Any] | None = None,
    sort: str | None = None,
    limit: int | None = None,
    offset: int | None = None,
) -> list[Variable]:
    """What the wire's filter asks for."""
    rows = tx.all(select_filtered("variables", filters, sort, limit, offset))
    return [Variable.model_validate(row) for row in rows]


def count(tx: Tx, filters: Mapping[str, Any] | None = None) -> int:
    """How many the wire's filter matches."""
    return count_rows(tx, "variables", filters)


def update(tx: Tx, key: UUID | str, wanted: VariableUpdate) -> None:
    """Change what is given of the variable with this id or name. Raises `NotFoundError`, `ConflictError`."""
    changes = wanted.model_dump(exclude_unset=True)
    for name in ("name", "tags"):  # these cannot be taken away, only a value can be null
        if changes.get(name, ...) is None:
            del changes[name]
    _check_size(changes.get("value"))
    new_name = changes.get("name")
    if new_name is not None:
        other = tx.one(select(variables.c.id).where(variables.c.name == new_name, ~_is(key)))
        if other:
            raise _taken(new_name)
    if not tx.run(variables.update().where(_is(key)).values(**changes, updated=tx.now)):
        raise _missing(str(key))


def delete(tx: Tx, key: UUID | str) -> None:
    """By id or name. Raises `NotFoundError`."""
    if not tx.run(variables.delete().where(_is(key))):
        raise _missing(str(key))


def _is(key: UUID | str) -> ColumnElement[bool]:
    return variables.c.id == key if isinstance(key, UUID) else variables.c.name == key


def _check_size(value: Any) -> None:
    if len(json.dumps(value)) > MAX_VALUE:
        raise InvalidError(f"The value of a variable may take at most {MAX_VALUE} characters", field="value")


def _found(row: Row[Any] | None, what: str) -> Variable:
    if row is None:
        raise _missing(what)
    return Variable.model_validate(row)


def _missing(what: str) -> NotFoundError:
    return NotFoundError(f"There is no variable {what}")


def _taken(name: str) -> ConflictError:
    return ConflictError(f"A variable with the name {name!r} already exists")
