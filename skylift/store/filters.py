"""One table from wire filters and sorts to SQL, for every resource.

A query may also ask about related resources (flow runs by the tags of their flow): those parts become subqueries.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, assert_never

from sqlalchemy import (
    ColumnElement,
    Select,
    Table,
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
from skylift.store import tables
from skylift.store.filter_terms import (
    FLAGS,
    IDS,
    NAMES,
    NUMBERS,
    STATE_TYPES,
    TAGS,
    TEXTS,
    TIMES,
    Fields,
    Group,
    Operators,
    Term,
    read_filter,
    unknown,
)

MAX_LIMIT = 200

Link = tuple[str, str]
"""(own column, the related resource's column) that are equal where two rows belong together."""


@dataclass(frozen=True, slots=True)
class Resource:
    """What can be asked of one table."""

    table: Table
    fields: Fields
    sorts: tuple[str, ...]
    """Columns that may be sorted by, `_ASC` or `_DESC`; the first sort is the default."""
    default_sort: str
    links: Mapping[str, Link] = field(default_factory=dict)
    columns: Mapping[str, str] = field(default_factory=dict)
    """Fields whose column has another name."""
    through: Mapping[str, tuple[str, str, str]] = field(default_factory=dict)
    """Fields of a related row: (own column, the other table, its column)."""


_TIMES = ("created", "updated")
_QUEUE_NAME = {"work_queue_name": ("work_queue_id", "work_queues", "name")}

RESOURCES: Mapping[str, Resource] = {
    "flows": Resource(
        tables.flows,
        {"id": IDS, "name": NAMES, "tags": TAGS},
        ("name", *_TIMES),
        "NAME_ASC",
        {"flow_runs": ("id", "flow_id"), "deployments": ("id", "flow_id")},
    ),
    "deployments": Resource(
        tables.deployments,
        {
            "id": IDS,
            "name": NAMES,
            "flow_id": IDS,
            "tags": TAGS,
            "paused": FLAGS,
            "work_pool_id": IDS,
            "work_queue_id": IDS,
            "work_queue_name": TEXTS,
            "concurrency_limit": NUMBERS,
        },
        ("name", *_TIMES),
        "NAME_ASC",
        {
            "flows": ("flow_id", "id"),
            "flow_runs": ("id", "deployment_id"),
            "work_pools": ("work_pool_id", "id"),
            "work_queues": ("work_queue_id", "id"),
            "work_pool_queues": ("work_queue_id", "id"),
        },
        through=_QUEUE_NAME,
    ),
    "flow_runs": Resource(
        tables.flow_runs,
        {
            "id": IDS,
            "name": NAMES,
            "tags": TAGS,
            "flow_id": IDS,
            "deployment_id": IDS,
            "work_pool_id": IDS,
            "work_queue_id": IDS,
            "work_queue_name": TEXTS,
            "state.type": STATE_TYPES,
            "state.name": TEXTS,
            "flow_version": TEXTS,
            "start_time": TIMES,
            "end_time": TIMES,
            "expected_start_time": TIMES,
            "next_scheduled_start_time": TIMES,
            "parent_task_run_id": IDS,
            "idempotency_key": TEXTS,
            "auto_scheduled": FLAGS,
        },
        ("id", "start_time", "expected_start_time", "name", "next_scheduled_start_time", "end_time", *_TIMES),
        "ID_DESC",
        {
            "flows": ("flow_id", "id"),
            "deployments": ("deployment_id", "id"),
            "work_pools": ("work_pool_id", "id"),
            "work_queues": ("work_queue_id", "id"),
            "work_pool_queues": ("work_queue_id", "id"),
        },
        columns={"state.type": "state_type", "state.name": "state_name"},
        through=_QUEUE_NAME,
    ),
    "work_pools": Resource(
        tables.work_pools,
        {"id": IDS, "name": NAMES, "type": TEXTS},
        ("name", *_TIMES),
        "NAME_ASC",
        {"work_queues": ("id", "work_pool_id"), "deployments": ("id", "work_pool_id")},
    ),
    "work_queues": Resource(
        tables.work_queues,
        {"id": IDS, "name": NAMES, "work_pool_id": IDS},
        ("priority", "name", *_TIMES),
        "PRIORITY_ASC",
        {"work_pools": ("work_pool_id", "id")},
    ),
    "variables": Resource(
        tables.variables,
        {"id": IDS, "name": NAMES, "tags": TAGS},
        ("name", *_TIMES),
        "NAME_ASC",
    ),
    "block_types": Resource(
        tables.block_types,
        {"id": IDS, "name": NAMES, "slug": TEXTS},
        ("name", *_TIMES),
        "NAME_ASC",
        {"block_schemas": ("id", "block_type_id")},
    ),
    "block_schemas": Resource(
        tables.block_schemas,
        {"id": IDS, "block_type_id": IDS, "block_capabilities": TAGS, "version": TEXTS},
        _TIMES,
        "CREATED_DESC",
        {"block_types": ("block_type_id", "id")},
        columns={"block_capabilities": "capabilities"},
    ),
    "block_documents": Resource(
        tables.block_documents,
        {"id": IDS, "is_anonymous": FLAGS, "block_type_id": IDS, "name": NAMES},
        ("name", "block_type_and_name", *_TIMES),
        "NAME_ASC",
        {"block_types": ("block_type_id", "id"), "block_schemas": ("block_schema_id", "id")},
    ),
}

# What one resource is called when another is asked through it.
ALIASES = {"work_pool_queues": "work_queues"}

SORTED_BY_SEVERAL = {"block_type_and_name": ("block_type_id", "name")}


def select_filtered(
    resource: str,
    filters: Mapping[str, Any] | None = None,
    sort: str | None = None,
    limit: int | None = None,
    offset: int | None = None,
) -> Select[Any]:
    """The rows that the wire asks for: at most 200, from `offset` on. `filters` is the body without its sort and page:
    by resource name, the resource's own among them. Raises `InvalidError` naming what is not known."""
    return (
        select(RESOURCES[resource].table)
        .where(where(resource, filters))
        .order_by(*_order(resource, sort))
        .limit(_limit(limit))
        .offset(_offset(offset))
    )


def count_filtered(resource: str, filters: Mapping[str, Any] | None = None) -> Select[Any]:
    """How many rows match."""
    return select(func.count()).select_from(RESOURCES[resource].table).where(where(resource, filters))


def where(resource: str, filters: Mapping[str, Any] | None = None) -> ColumnElement[bool]:
    """The condition on the resource's table."""
    known = RESOURCES[resource]
    conditions: list[ColumnElement[bool]] = []
    for name, body in (filters or {}).items():
        if body is None:
            continue
        if name == resource:
            conditions.append(_condition(resource, body, name))
        elif name in known.links:
            conditions.append(_related(known, name, body))
        elif name == "work_pools" and resource == "flows":  # two steps away
            conditions.append(_related(known, "deployments", {"work_pools": body}, nested=True))
        elif _asks(body):
            raise unknown(name, [resource, *known.links])
    return and_(true(), *conditions)


def _asks(body: Any) -> bool:
    """Whether a filter of a resource that is not related here asks for anything at all."""
    if isinstance(body, Mapping):
        return any(_asks(value) for key, value in body.items() if key != "operator")
    return body is not None


def _related(known: Resource, name: str, body: Any, *, nested: bool = False) -> ColumnElement[bool]:
    other = ALIASES.get(name, name)
    own, theirs = known.links[name]
    table = RESOURCES[other].table
    condition = where(other, body) if nested else _condition(other, body, name)
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
    if term.field in known.through:
        own, other, theirs = known.through[term.field]
        if term.operator == "is_null_":
            return _compare(known.table.c[own], known.fields[term.field], term)
        table = RESOURCES[other].table
        return known.table.c[own].in_(
            select(table.c.id).where(_compare(table.c[theirs], known.fields[term.field], term))
        )
    column = known.table.c[known.columns.get(term.field, term.field)]
    return _compare(column, known.fields[term.field], term)


def _compare(column: Any, kind: Operators, term: Term) -> ColumnElement[bool]:
    if kind is TAGS:
        return _compare_tags(column, term)
    value = term.value
    comparisons: dict[str, Any] = {
        "any_": lambda: column.in_(value),
        "not_any_": lambda: column.not_in(value),
        "like_": lambda: column.icontains(value, autoescape=True),
        "startswith_": lambda: or_(false(), *(func.substr(column, 1, len(each)) == each for each in value)),
        "is_null_": lambda: column.is_(None) if value else column.is_not(None),
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


def _limit(limit: int | None) -> int:
    if limit is None:
        return MAX_LIMIT
    if limit > MAX_LIMIT:
        raise InvalidError(f"Invalid limit: must be less than or equal to {MAX_LIMIT}.", field="limit")
    if limit < 0:
        raise InvalidError("Invalid limit: must be greater than or equal to 0.", field="limit")
    return limit


def _offset(offset: int | None) -> int:
    if offset is not None and not 0 <= offset < 2**31:
        raise InvalidError("Invalid offset: must be greater than or equal to 0.", field="offset")
    return offset or 0
