"""From wire filters and sorts to SQL, for every resource, by the table in `filter_table`.

A query may also ask about related resources (flow runs by the tags of their flow): those parts become subqueries.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, assert_never
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Select,
    Text,
    and_,
    false,
    func,
    not_,
    or_,
    select,
    true,
    type_coerce,
)

from skylift.errors import InvalidError
from skylift.store import sight
from skylift.store.engine import Tx
from skylift.store.filter_table import ALIASES, RESOURCES, SORTED_BY_SEVERAL, Resource
from skylift.store.filter_terms import TAGS, Group, Operators, Term, read_filter, unknown
from skylift.store.prefixes import begins

MAX_LIMIT = 200
MOST_VALUES = 25_000
"""In one query: drivers take some 32,000 parameters."""
SEEN_BY = "seen_by"
"""Beside the filters, the id of the run that asks: it is told of the runs in its sight, and of what is theirs."""

_OF_RUNS = {
    "flow_runs": "id",
    "task_runs": "flow_run_id",
    "artifacts": "flow_run_id",
    "artifact_collections": "flow_run_id",
}
"""Resources that belong to flow runs, and the column that says to which."""


def select_filtered(
    resource: str,
    filters: Mapping[str, Any] | None = None,
    sort: str | None = None,
    limit: int | None = None,
    offset: int | None = None,
    *,
    most: int = MAX_LIMIT,
) -> Select[Any]:
    """The rows that the wire asks for: at most `most`, from `offset` on. `filters` is the body without its sort and
    page: by resource name, the resource's own among them. Raises `InvalidError` naming what is not known."""
    return (
        select(RESOURCES[resource].table)
        .where(where(resource, filters))
        .order_by(*_order(resource, sort))
        .limit(_limit(limit, most))
        .offset(_offset(offset))
    )


def count_filtered(resource: str, filters: Mapping[str, Any] | None = None) -> Select[Any]:
    """How many rows match."""
    return select(func.count()).select_from(RESOURCES[resource].table).where(where(resource, filters))


def count_rows(tx: Tx, resource: str, filters: Mapping[str, Any] | None = None) -> int:
    """How many rows the filters match."""
    return int(tx.conn.execute(count_filtered(resource, filters)).scalar_one())


def where(resource: str, filters: Mapping[str, Any] | None = None) -> ColumnElement[bool]:
    """The condition on the resource's table."""
    known = RESOURCES[resource]
    filters = dict(filters or {})
    if _values(filters) > MOST_VALUES:
        raise InvalidError(f"A filter may have at most {MOST_VALUES} values in all", field=resource)
    # No client can send it: what comes as JSON holds no UUID.
    seen_by = filters.pop(SEEN_BY) if isinstance(filters.get(SEEN_BY), UUID) else None
    conditions: list[ColumnElement[bool]] = [_in_sight(resource, seen_by)]
    for name, body in filters.items():
        if body is None:
            continue
        if name == resource:
            conditions.append(_condition(resource, body, name))
        elif not _asks(body):
            continue
        elif name in known.links:
            conditions.append(_related(known, name, {ALIASES.get(name, name): body}, seen_by))
        elif name in known.by_way_of:
            conditions.append(_related(known, known.by_way_of[name], {name: body}, seen_by))
        else:
            raise unknown(name, [resource, *known.links, *known.by_way_of])
    return and_(true(), *conditions)


def _values(body: Any) -> int:
    if isinstance(body, Mapping):
        return sum(map(_values, body.values()))
    return len(body) if isinstance(body, list) else 1


def _asks(body: Any) -> bool:
    """Whether a filter of another resource asks for anything at all."""
    if isinstance(body, Mapping):
        return any(_asks(value) for key, value in body.items() if key != "operator")
    return body is not None


def _in_sight(resource: str, run: UUID | None) -> ColumnElement[bool]:
    column = _OF_RUNS.get(resource)
    if run is None or column is None:
        return true()
    return RESOURCES[resource].table.c[column].in_(sight.visible(run))


def _related(known: Resource, name: str, filters: Mapping[str, Any], seen_by: UUID | None) -> ColumnElement[bool]:
    other = ALIASES.get(name, name)
    own, theirs = known.links[name]
    table = RESOURCES[other].table
    condition = where(other, {**filters, SEEN_BY: seen_by})
    # NULL among the answers would make NOT IN unknown for every row.
    return known.table.c[own].in_(select(table.c[theirs]).where(condition, table.c[theirs].is_not(None)))


def _condition(resource: str, body: Any, path: str) -> ColumnElement[bool]:
    known = RESOURCES[resource]
    return _sql(read_filter(body, known.fields, path), known)


def _sql(part: Term | Group, known: Resource) -> ColumnElement[bool]:
    match part:
        case Term():
            return _term(part, known)
        case Group(parts=()):
            return true()
        case Group(how="or_"):
            return or_(*(_sql(each, known) for each in part.parts))
        case Group(how="not_"):
            return not_(and_(*(_sql(each, known) for each in part.parts)))
        case Group():
            return and_(*(_sql(each, known) for each in part.parts))
        case _:
            assert_never(part)


def _term(term: Term, known: Resource) -> ColumnElement[bool]:
    kind = known.fields[term.field]
    if term.field in known.either:
        own, through = known.either[term.field]
        return or_(_compare(known.table.c[own], kind, term), _through(term, kind, known, through))
    if term.field in known.through:
        return _through(term, kind, known, term.field)
    if term.field in known.referred:
        own, other, theirs = known.referred[term.field]
        table = RESOURCES[other].table
        there = select(table.c.id).where(table.c[theirs] == known.table.c[own]).exists()
        return there if term.value else ~there
    column = known.table.c[known.columns.get(term.field, term.field)]
    return _compare(column, kind, term)


def _through(term: Term, kind: Operators, known: Resource, name: str) -> ColumnElement[bool]:
    own, other, theirs = known.through[name]
    if term.operator == "is_null_":
        return _compare(known.table.c[own], kind, term)
    table = RESOURCES[other].table
    return known.table.c[own].in_(select(table.c.id).where(_compare(table.c[theirs], kind, term)))


def _compare(column: Any, kind: Operators, term: Term) -> ColumnElement[bool]:
    if kind is TAGS:
        return _compare_tags(column, term)
    value = term.value
    comparisons: dict[str, Any] = {
        "any_": lambda: column.in_(value),
        "not_any_": lambda: column.not_in(value),
        "like_": lambda: column.icontains(value, autoescape=True),
        "startswith_": lambda: or_(false(), *(begins(column, each) for each in value)),
        "is_null_": lambda: column.is_(None) if value else column.is_not(None),
        "exists_": lambda: column.is_not(None) if value else column.is_(None),
        "before_": lambda: column <= value,
        "after_": lambda: column >= value,
        "ge_": lambda: column >= value,
        "le_": lambda: column <= value,
        "eq_": lambda: column == value,
    }
    condition: ColumnElement[bool] = comparisons[term.operator]()
    return condition


def _compare_tags(column: Any, term: Term) -> ColumnElement[bool]:
    """A column of JSON text lists: an element is looked for with its quotes and what stands before it."""
    text = type_coerce(column, Text)
    if term.operator == "is_null_":
        return text == "[]" if term.value else text != "[]"

    def has(tag: str) -> ColumnElement[bool]:
        quoted = json.dumps(tag)
        # replace() minds the case in every database; LIKE does not in SQLite.
        return or_(*(func.replace(text, before + quoted, "") != text for before in "[,"))

    return and_(true(), *map(has, term.value)) if term.operator == "all_" else or_(false(), *map(has, term.value))


def _order(resource: str, sort: str | None) -> list[ColumnElement[Any]]:
    known = RESOURCES[resource]
    column, _, direction = (sort or known.default_sort).lower().rpartition("_")
    if column not in known.sorts or direction not in ("asc", "desc"):
        choices = ", ".join(f"{each}_{way}".upper() for each in known.sorts for way in ("asc", "desc"))
        raise InvalidError(f"Cannot sort {resource} by {sort!r}; known: {choices}", field="sort")
    columns = [known.table.c[name] for name in SORTED_BY_SEVERAL.get(column, (column,))]
    if column != "id":
        columns.append(known.table.c.id)  # pages must not overlap where values are equal
    return [_directed(each, direction) for each in columns]


def _directed(column: Any, direction: str) -> ColumnElement[Any]:
    order: Any = column.desc() if direction == "desc" else column.asc()
    # Rows without a value come last, whatever the database's habit; said only where it costs no index.
    return order.nulls_last() if column.nullable else order  # type: ignore[no-any-return]


def page_of(limit: int | None, offset: int | None) -> tuple[int, int]:
    """The page that the wire asks for, as numbers. Raises `InvalidError`."""
    return _limit(limit, MAX_LIMIT), _offset(offset)


def _limit(limit: int | None, most: int) -> int:
    if limit is None:
        return most
    if limit > most:
        raise InvalidError(f"Invalid limit: must be less than or equal to {most}.", field="limit")
    if limit < 0:
        raise InvalidError("Invalid limit: must be greater than or equal to 0.", field="limit")
    return limit


def _offset(offset: int | None) -> int:
    if offset is not None and not 0 <= offset < 2**31:
        raise InvalidError("Invalid offset: must be greater than or equal to 0.", field="offset")
    return offset or 0
