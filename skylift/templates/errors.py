"""The error of base job templates and job variables, and how names and values may appear in it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from skylift.errors import InvalidError

Path = tuple[str | int, ...]
"""The way to a value inside JSON: keys and list positions."""

NAME_LENGTH = 120
VALUE_LENGTH = 40
SECRET_NAME = re.compile(
    r"passw|passphrase|pwd|secret|token|apikey|accesskey|privatekey|accountkey|sharedkey|credential"
    r"|auth(?!or)|connectionstring|dsn|certificate|signature|cookie"
)


class TemplateError(InvalidError):
    """A base job template, or a job variable given for it, breaks a rule."""


def dotted(path: Sequence[str | int]) -> str:
    """A path for people, `labels.team`; long or unprintable ones are cut and escaped."""
    text = ".".join(str(step) for step in path)
    if not text.isprintable():
        text = text.encode("unicode_escape", "backslashreplace").decode("ascii")
    return text if len(text) <= NAME_LENGTH else text[: NAME_LENGTH - 1] + "…"


def looks_secret(name: str | int) -> bool:
    """Whether what goes by this name is probably a secret."""
    return isinstance(name, str) and bool(SECRET_NAME.search(re.sub(r"[^a-z0-9]", "", name[:1000].lower())))


def kind_of(value: Any) -> str:
    """What sort of JSON value this is, without saying the value."""
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int():
            return "an integer"
        case float():
            return "a number"
        case str():
            return f"a string of length {len(value)}"
        case list():
            return f"a list of length {len(value)}"
        case _:
            return "an object"


def shown(value: Any) -> str:
    """A short value as it is; what is long, nested or might carry a password (`scheme://user:…@host`) by its
    kind."""
    match value:
        case None | bool():
            return str(value).lower().replace("none", "null")
        case int() | float() if len(str(value)) <= VALUE_LENGTH:
            return str(value)
        case str() if len(value) <= VALUE_LENGTH and value.isprintable() and "@" not in value:
            return repr(value)
        case _:
            return kind_of(value)
