"""The dialect's filter bodies, read strictly: what is not known is an error that names the path, never ignored.

A body is an object of fields; a field is an object of operators (`{"name": {"any_": ["a"]}}`) or of more fields.
Clients send every field that they know with null for "not asked", so null means nothing, under any name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from skylift.errors import InvalidError
from skylift.models.states import StateType

MAX_VALUES = 5000
"""How long a list in a filter may be."""

MAX_TERMS = 100
"""How long it may be where each value becomes a condition of its own: SQLite refuses expressions of a thousand."""

Reader = Callable[[Any, str], Any]


def uuid_value(value: Any, path: str) -> UUID:
    """An id."""
    try:
        return UUID(value)
    except (ValueError, AttributeError, TypeError):
        raise InvalidError(f"'{path}' must be a UUID", field=path) from None


def text_value(value: Any, path: str) -> str:
    """A string. NUL is refused: no database keeps it in text."""
    if not isinstance(value, str) or "\0" in value:
        raise InvalidError(f"'{path}' must be a string", field=path)
    return value


def int_value(value: Any, path: str) -> int:
    """An integer that a database column can be compared with."""
    if not isinstance(value, int) or isinstance(value, bool) or not -(2**31) <= value < 2**31:
        raise InvalidError(f"'{path}' must be an integer of 32 bits", field=path)
    return value


def bool_value(value: Any, path: str) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise InvalidError(f"'{path}' must be true or false", field=path)
    return value


def time_value(value: Any, path: str) -> datetime:
    """An instant in ISO 8601, with `T` or a space; without a zone it is UTC."""
    try:
        instant = datetime.fromisoformat(value)
        return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
    except (ValueError, TypeError, OverflowError):
        raise InvalidError(f"'{path}' must be a time in ISO 8601", field=path) from None


def state_type_value(value: Any, path: str) -> str:
    """The type of a state."""
    if value not in list(StateType):
        raise InvalidError(f"'{path}' must be one of {', '.join(StateType)}", field=path)
    return str(value)


def list_of(read: Reader, longest: int = MAX_VALUES) -> Reader:
    """A list of such values."""

    def read_list(value: Any, path: str) -> list[Any]:
        if not isinstance(value, list):
            raise InvalidError(f"'{path}' must be a list", field=path)
        if len(value) > longest:
            raise InvalidError(f"'{path}' may have at most {longest} values", field=path)
        return [read(item, f"{path}[{index}]") for index, item in enumerate(value)]

    return read_list


Operators = Mapping[str, Reader]
"""What a field can be asked: operator names and how to read their values."""


def operators(read: Reader, *names: str) -> Operators:
    """The readers of these operators on values that `read` reads."""
    lists = {name: list_of(read, MAX_TERMS if name in _TERM_LISTS else MAX_VALUES) for name in _LISTS}
    return {name: bool_value if name in _FLAGS else lists.get(name, read) for name in names}


_LISTS = {"any_", "not_any_", "all_", "startswith_"}
_TERM_LISTS = {"all_", "startswith_"}
_FLAGS = {"is_null_", "exists_"}

IDS = operators(uuid_value, "any_", "not_any_", "is_null_")
NAMES = operators(text_value, "any_", "not_any_", "like_", "startswith_", "is_null_")
TEXTS = operators(text_value, "any_", "not_any_", "is_null_")
LIKE = operators(text_value, "like_")
KEYS = operators(text_value, "any_", "not_any_", "like_", "exists_")
TIMES = operators(time_value, "before_", "after_", "is_null_")
NUMBERS = operators(int_value, "ge_", "le_", "is_null_")
FLAGS = operators(bool_value, "eq_")
EXISTS = operators(bool_value, "exists_")
TAGS: Operators = {"is_null_": bool_value} | dict.fromkeys(("all_", "any_"), list_of(text_value, MAX_TERMS))
STATE_TYPES = operators(state_type_value, "any_", "not_any_")


@dataclass(frozen=True, slots=True)
class Term:
    """One question about one field."""

    field: str
    operator: str
    value: Any


@dataclass(frozen=True, slots=True)
class Group:
    """Terms and groups that are joined by `and_`, `or_`, or of which none may hold together (`not_`)."""

    how: str
    parts: tuple[Term | Group, ...]


Fields = Mapping[str, Operators]
"""By dotted field name: `state.type` is the field `type` within the object `state`."""


def read_filter(body: Any, fields: Fields, path: str) -> Group:
    """A filter body as terms. Raises `InvalidError` with the path of what is not known or not right."""
    return _group(body, fields, path, "")


def _group(body: Any, fields: Fields, path: str, prefix: str) -> Group:
    parts: list[Term | Group] = []
    for key, value in _items(body, path):
        here, name = f"{path}.{key}", prefix + key
        if name in fields:
            asked = _operators(value, fields[name], here, name)
        elif any(known.startswith(name + ".") for known in fields):
            asked = _group(value, fields, here, name + ".")
        else:
            raise unknown(here, (known.removeprefix(prefix) for known in fields if known.startswith(prefix)))
        if asked.parts:  # one that asks nothing must not make an or_ true
            parts.append(asked)
    return Group(_how(body, path), tuple(parts))


def _operators(body: Any, known: Operators, path: str, name: str) -> Group:
    terms = []
    for key, value in _items(body, path):
        if key not in known:
            raise unknown(f"{path}.{key}", known)
        terms.append(Term(name, key, known[key](value, f"{path}.{key}")))
    return Group(_how(body, path), tuple(terms))


def _items(body: Any, path: str) -> list[tuple[str, Any]]:
    if not isinstance(body, Mapping):
        raise InvalidError(f"'{path}' must be an object", field=path)
    return [(key, value) for key, value in body.items() if value is not None and key != "operator"]


def _how(body: Mapping[str, Any], path: str) -> str:
    how = body.get("operator") or "and_"
    if how not in ("and_", "or_", "not_"):
        raise InvalidError(f"'{path}.operator' must be one of and_, or_, not_", field=f"{path}.operator")
    return str(how)


def unknown(path: str, known: Any) -> InvalidError:
    """The error for a name that is not known here."""
    return InvalidError(f"The filter '{path}' is not known; known here: {', '.join(sorted(known))}", field=path)
