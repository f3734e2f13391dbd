"""From a delivery to the flow run that it asks for.

A webhook's template is an object with some of these fields; every text in it is a Jinja template:

    parameters, job_variables   objects, or one expression that gives an object
    name, idempotency_key       texts
    tags                        a list of texts
    start_time                  ISO 8601, or Unix seconds; default: now
    when                        no run is made where this is false

A text that is nothing but one `{{ … }}` gives the value of its expression, whatever JSON it is; any other is a text.
Without a template the fields of the event's data (or of the body) are the parameters that the deployment names.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from pydantic import TypeAdapter, ValidationError

from skylift.errors import InvalidError
from skylift.models.base import Instant
from skylift.models.events import Indexable
from skylift.webhooks.budget import CURRENT, Budget, TooCostlyError
from skylift.webhooks.deliveries import Delivery
from skylift.webhooks.payloads import Payload
from skylift.webhooks.signatures import PROOFS, TOKEN

FIELDS = ("parameters", "job_variables", "name", "idempotency_key", "tags", "start_time", "when")
LONGEST_TEMPLATE, MOST_TEXTS = 32_768, 500
LARGEST_RESULT = 1_048_576
"""Characters of a run's parameters and job variables as JSON."""
LONGEST_NAME, MOST_TAGS = 300, 100
FALSE = ("", "false", "no", "0", "none", "null")
"""Texts that `when` may end in."""

_instants: TypeAdapter[datetime] = TypeAdapter(Instant)
_keys: TypeAdapter[str] = TypeAdapter(Indexable)


@dataclass(frozen=True, slots=True)
class Wanted:
    """The run that a delivery asks for."""

    parameters: dict[str, Any] = field(default_factory=dict)
    job_variables: dict[str, Any] = field(default_factory=dict)
    name: str | None = None
    idempotency_key: str | None = None
    tags: list[str] = field(default_factory=list)
    start_time: datetime | None = None
    is_wanted: bool = True


def check(template: Mapping[str, Any] | None) -> None:
    """Raises `InvalidError` for a template that no delivery could be mapped by."""
    if template is None:
        return
    unknown = sorted(set(template) - set(FIELDS))
    if unknown:
        raise InvalidError(f"A template has no field {unknown[0]!r}: it has {', '.join(FIELDS)}", field="template")
    if len(json.dumps(template)) > LONGEST_TEMPLATE:
        raise InvalidError(f"The template is longer than {LONGEST_TEMPLATE} characters", field="template")
    texts = list(_texts(template, "template"))
    if len(texts) > MOST_TEXTS:
        raise InvalidError(f"The template has more than {MOST_TEXTS} texts", field="template")
    for where, text in texts:
        _compiled(text, where)


def wanted(template: Mapping[str, Any] | None, schema: Mapping[str, Any] | None, given: Mapping[str, Any]) -> Wanted:
    """What the template makes of these variables. Raises `InvalidError`."""
    if template is None:
        return Wanted(parameters=_by_name(schema, given))
    budget = CURRENT.set(Budget())
    try:
        if not _is_true(_render(template.get("when", True), "when", given)):
            return Wanted(is_wanted=False)
        found = {name: _render(template[name], name, given) for name in FIELDS[:-1] if name in template}
    finally:
        CURRENT.reset(budget)
    return Wanted(
        parameters=_object(found, "parameters"),
        job_variables=_without_placeholders(_object(found, "job_variables")),
        name=_text(found, "name", LONGEST_NAME),
        idempotency_key=_key(found),
        tags=_tags(found),
        start_time=_start(found.get("start_time")),
    )


def variables(delivery: Delivery, payload: Payload, now: datetime, name: str) -> dict[str, Any]:
    """What templates see: nothing of it proves anything to anyone."""
    return {
        "body": payload.body,
        "event": dict(payload.event),
        "data": payload.data,
        "headers": {key: value for key, value in delivery.headers.items() if key not in PROOFS},
        "query": {key: value for key, value in delivery.query.items() if key != TOKEN},
        "received": now.isoformat(),
        "webhook": name,
    }


# -- without a template -----------------------------------------------------------------------------------------------


def _by_name(schema: Mapping[str, Any] | None, given: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of the data that the deployment has parameters for; and the whole `body`, `event`, `headers` or `query`
    where a parameter is named so and there is no such field."""
    data = given["data"] if isinstance(given["data"], dict) else {}
    known = (schema or {}).get("properties")
    if not isinstance(known, dict):
        return dict(data)
    whole = {name: given[name] for name in ("body", "event", "headers", "query") if name in known}
    return whole | {name: value for name, value in data.items() if name in known}


# -- rendering --------------------------------------------------------------------------------------------------------


def _texts(value: Any, where: str) -> Iterator[tuple[str, str]]:
    """All texts of a template with their places. Keys are no templates."""
    todo: list[tuple[str, Any]] = [(where, value)]
    while todo:
        where, each = todo.pop()
        if isinstance(each, str):
            yield where, each
        elif isinstance(each, dict):
            todo += [(f"{where}.{key}", below) for key, below in each.items()]
        elif isinstance(each, list):
            todo += [(f"{where}.{place}", below) for place, below in enumerate(each)]


def _render(value: Any, where: str, given: Mapping[str, Any]) -> Any:
    if isinstance(value, dict):
        return {key: _render(below, f"{where}.{key}", given) for key, below in value.items()}
    if isinstance(value, list):
        return [_render(below, f"{where}.{place}", given) for place, below in enumerate(value)]
    if not isinstance(value, str) or "{" not in value:
        return value
    from jinja2 import TemplateError, Undefined

    render = _compiled(value, where)
    try:
        found = render(dict(given))
        if isinstance(found, Undefined):
            str(found)  # raises what says its name
        CURRENT.get().read(found)
        return _json_value(found, where)
    except TooCostlyError:
        raise
    except TemplateError as error:
        raise InvalidError(f"template.{where}: {error.message}", field=f"template.{where}") from None
    except (ArithmeticError, LookupError, TypeError, ValueError, RecursionError, AttributeError) as error:
        told = f"template.{where} does not fit this delivery ({type(error).__name__})"
        raise InvalidError(told, field=f"template.{where}") from None


def _compiled(text: str, where: str) -> Callable[[dict[str, Any]], Any]:
    from jinja2 import TemplateError

    budget = CURRENT.set(Budget())
    try:
        return _compile(text)
    except TemplateError as error:
        number = getattr(error, "lineno", 1)
        line = f" (line {number})" if number > 1 else ""
        raise InvalidError(f"{where}: {error.message}{line}", field=where) from None
    except (RecursionError, MemoryError, SyntaxError, ValueError, OverflowError):
        raise InvalidError(f"{where} is nested too deeply", field=where) from None
    finally:
        CURRENT.reset(budget)


@lru_cache(maxsize=2_000)
def _compile(text: str) -> Callable[[dict[str, Any]], Any]:
    found: Callable[[dict[str, Any]], Any] = _sandbox().compiled(text)
    return found


@lru_cache(maxsize=1)
def _sandbox() -> Any:
    from skylift.webhooks.sandbox import Sandbox  # Jinja takes a while to import, and many webhooks have no template

    return Sandbox()


def _json_value(value: Any, where: str) -> Any:
    """The value with lists for tuples. Raises `InvalidError` for what is no JSON."""
    if isinstance(value, str):
        return str(value)
    if isinstance(value, dict):
        return {str(key): _json_value(below, where) for key, below in value.items()}
    if isinstance(value, list | tuple):
        return [_json_value(below, where) for below in value]
    if value is None or isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    raise InvalidError(f"template.{where} gives what is no JSON value", field=f"template.{where}")


# -- the fields -------------------------------------------------------------------------------------------------------


def _is_true(value: Any) -> bool:
    return value.strip().lower() not in FALSE if isinstance(value, str) else bool(value)


def _object(found: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = found.get(name) or {}
    if not isinstance(value, dict):
        raise InvalidError(f"template.{name} must give an object", field=f"template.{name}")
    if len(json.dumps(value, ensure_ascii=False)) > LARGEST_RESULT:
        raise InvalidError(f"template.{name} gives more than {LARGEST_RESULT} characters", field=f"template.{name}")
    return value


def _without_placeholders(job_variables: dict[str, Any]) -> dict[str, Any]:
    """What a sender writes into a job variable must not be read as a reference to blocks and their secrets."""
    todo: list[Any] = [job_variables]
    while todo:
        each = todo.pop()
        if isinstance(each, str) and "{{" in each:
            raise InvalidError(
                "A job variable made from a delivery may not hold '{{': put references to blocks and variables into the"
                " deployment's own job variables",
                field="template.job_variables",
            )
        if isinstance(each, dict):
            todo += [*each, *each.values()]
        elif isinstance(each, list):
            todo += each
    return job_variables


def _text(found: Mapping[str, Any], name: str, longest: int) -> str | None:
    value = found.get(name)
    if value is None or value == "":
        return None
    if isinstance(value, dict | list) or len(str(value)) > longest or "\0" in str(value):
        raise InvalidError(
            f"template.{name} must give a text of at most {longest} characters", field=f"template.{name}"
        )
    return str(value)


def _key(found: Mapping[str, Any]) -> str | None:
    text = _text(found, "idempotency_key", 1_000)
    try:
        return _keys.validate_python(text) if text else None
    except ValidationError:
        where = "template.idempotency_key"
        raise InvalidError(f"{where} must give at most 1000 bytes", field=where) from None


def _tags(found: Mapping[str, Any]) -> list[str]:
    tags = found.get("tags") or []
    is_list = isinstance(tags, list) and all(isinstance(each, str) and len(each) <= LONGEST_NAME for each in tags)
    if not is_list or len(tags) > MOST_TAGS or any("\0" in each for each in tags):
        raise InvalidError(f"template.tags must give a list of at most {MOST_TAGS} texts", field="template.tags")
    return list(tags)


def _start(value: Any) -> datetime | None:
    if value is None or value == "":
        return None
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            value = datetime.fromtimestamp(value, UTC)
        return _instants.validate_python(value)
    except (ValidationError, ValueError, OverflowError, OSError):
        raise InvalidError(
            "template.start_time must give a time such as 2026-03-01T12:00:00Z, or Unix seconds",
            field="template.start_time",
        ) from None
