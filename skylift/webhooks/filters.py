"""The filters and tests that webhooks' templates have: of Jinja's those that take bodies apart, each counted."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Iterable
from functools import wraps
from itertools import islice
from typing import Any

from jinja2 import filters as jinja
from jinja2 import pass_context, pass_environment
from jinja2 import tests as jinja_tests
from jinja2.exceptions import FilterArgumentError
from jinja2.runtime import Undefined

from skylift.json_text import fault_of
from skylift.webhooks.budget import CURRENT, PER_TURN

MOST_ITEMS = 100_000
MOST_DIGITS = 20
SIMPLE = (
    "abs capitalize count d default dictsort first float int items last length list lower reverse sort title trim"
    " unique upper"
).split()
"""Those of Jinja that are taken over as they are: what they give is no longer than what they take."""
LAZY = ("map", "select", "selectattr", "reject", "rejectattr")
"""Those that give one item after the other: a list here, so that it is counted."""
TEST_NAMES = (
    "boolean defined divisibleby eq equalto even false float ge greaterthan gt in integer iterable le lessthan lower lt"
    " mapping ne none number odd sequence string true undefined upper == != > >= < <="
).split()


def counted(value: Any) -> Any:
    """The value itself, once its size is counted."""
    CURRENT.get().read(value)
    return value


def text_of(value: Any) -> Any:
    """What is written of a value: JSON of objects and lists, `true` and not `True`, nothing of null."""
    if isinstance(value, Undefined):
        return value
    CURRENT.get().read(value)
    if value is None:
        return ""
    if isinstance(value, bool | dict | list | tuple):
        return json.dumps(value, ensure_ascii=False)
    return value


def _counting(work: Callable[..., Any], *, values_at: int = 0) -> Callable[..., Any]:
    """`values_at`: where the arguments begin that are the template's and not Jinja's."""

    @wraps(work)
    def filtered(*args: Any, **kwargs: Any) -> Any:
        CURRENT.get().read(*args[values_at:], *kwargs.values())
        return work(*args, **kwargs)

    return filtered


def _listed(work: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(work)
    def filtered(*args: Any, **kwargs: Any) -> Any:
        CURRENT.get().read(*args[1:], *kwargs.values())
        found = work(*args, **kwargs)
        return found if isinstance(found, Undefined) else list(islice(found, MOST_ITEMS))

    return filtered


def _whole(work: Callable[..., Any]) -> Callable[..., Any]:
    """What gives an iterator gives a list."""

    @wraps(work)
    def filtered(*args: Any, **kwargs: Any) -> Any:
        found = work(*args, **kwargs)
        return found if isinstance(found, str | int | float | dict | Undefined | None) else list(found)

    return filtered


def _string(value: Any) -> str:
    return str(text_of(value))


def _round(value: float, digits: int = 0) -> float:
    if not isinstance(digits, int) or abs(digits) > MOST_DIGITS:
        raise FilterArgumentError(f"round() goes to {MOST_DIGITS} digits at most")
    return round(value, digits)


def _join(value: Iterable[Any], separator: str = "") -> str:
    parts = [str(text_of(each)) for each in value]
    CURRENT.get().spend(len(parts) * len(separator) + sum(map(len, parts)))
    return separator.join(parts)


def _replace(value: Any, old: str, new: str) -> str:
    text = str(text_of(value))
    if not isinstance(old, str) or not isinstance(new, str) or not old:
        raise FilterArgumentError("replace() wants the text to look for, which is not empty, and the new one")
    CURRENT.get().spend(text.count(old) * len(new) + len(text))
    return text.replace(old, new)


def _to_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _from_json(value: Any) -> Any:
    """The value in a JSON text: of a form's field, or of data within data."""
    try:
        encoded = value.encode()
        if not fault_of(encoded):
            return json.loads(encoded)
    except (AttributeError, UnicodeEncodeError, ValueError):
        pass
    raise FilterArgumentError("fromjson was given what is no JSON text")


def _from_base64(value: Any) -> str:
    try:
        return base64.b64decode(value, validate=True).decode()
    except (TypeError, binascii.Error, ValueError):
        raise FilterArgumentError("b64decode was given what is no UTF-8 text in base64") from None


def _concatenated(parts: list[Any]) -> str:
    return "".join(str(text_of(each)) for each in parts)


def _is_given_more(name: str) -> bool:
    """Whether Jinja puts something of its own before the value."""
    return hasattr(jinja.FILTERS[name], "jinja_pass_arg")


@pass_context
def _turn(_context: Any, _value: Any) -> int:
    CURRENT.get().spend(PER_TURN)
    return 0


@pass_environment
def finalize(_environment: Any, value: Any) -> Any:
    """As `text_of`. Never called while a template is compiled, as Jinja does it for constants otherwise."""
    return text_of(value)


FILTERS: dict[str, Callable[..., Any]] = {
    **{name: _whole(_counting(jinja.FILTERS[name], values_at=int(_is_given_more(name)))) for name in SIMPLE},
    **{name: _listed(jinja.FILTERS[name]) for name in LAZY},
    "string": _counting(_string),
    "round": _counting(_round),
    "join": _counting(_join),
    "replace": _counting(_replace),
    "tojson": _counting(_to_json),
    "fromjson": _counting(_from_json),
    "b64decode": _counting(_from_base64),
    # Put in by the sandbox.
    "concatenated": _counting(_concatenated),
    "counted": counted,
    "turn": _turn,
}
_KNOWN: dict[str, Any] = dict(jinja_tests.TESTS)
TESTS: dict[str, Callable[..., Any]] = {name: _counting(_KNOWN[name]) for name in TEST_NAMES}
