"""Options and questions that many commands share."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from skylift.cli.client import Api

F = TypeVar("F", bound=Callable[..., Any])

JSON, TABLE = "json", "table"


def output_option(command: F) -> F:
    """`--output json` on any command."""
    option = click.option(
        "--output",
        "-o",
        type=click.Choice([TABLE, JSON]),
        default=TABLE,
        show_default=True,
        help="How to print: a table for people, JSON for programs.",
    )
    return option(command)


def yes_option(command: F) -> F:
    """`--yes`, to skip the question."""
    return click.option("--yes", "-y", is_flag=True, help="Do not ask.")(command)


def connect() -> AbstractContextManager[Api]:
    """The API; imported here, so that help does not wait for it."""
    from skylift.cli import client

    return client.connect()


def on_terminal() -> bool:
    """Whether somebody is there to answer."""
    return sys.stdin.isatty()


def confirm(question: str, *, yes: bool) -> None:
    """Ask before what cannot be undone. Without a terminal the answer must be on the command line."""
    if yes:
        return
    if not on_terminal():
        raise click.UsageError(f"{question} There is no terminal to ask on: say --yes")
    click.confirm(question, abort=True, err=True)


def tell(output: str, value: Any, message: str) -> None:
    """The result of a change: the object for programs, a sentence for people."""
    from skylift.cli.output import clean, print_json

    if output == JSON:
        print_json(value)
    else:
        click.echo(clean(message))


def read_text(source: str) -> str:
    """A file's text; `-` is standard input."""
    try:
        return sys.stdin.read() if source == "-" else Path(source).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise click.ClickException(f"Cannot read {source}: {reason}") from error


def json_object(text: str, what: str) -> dict[str, Any]:
    """A JSON object; `@file` reads it from a file. The text may be a secret, so no error shows it."""
    if text.startswith("@"):
        text = read_text(text[1:])
    try:
        value = json.loads(text, parse_constant=_no_constant)
    except ValueError as error:
        where = f" (line {error.lineno}, column {error.colno})" if isinstance(error, json.JSONDecodeError) else ""
        raise click.UsageError(f"{what} is not valid JSON{where}") from None
    if not isinstance(value, dict):
        raise click.UsageError(f'{what} must be a JSON object, such as {{"name": "value"}}')
    return value


def json_file(source: str | None, what: str) -> dict[str, Any] | None:
    """The JSON object in a file."""
    return json_object("@" + source, f"{what} {source}") if source else None


def json_or_text(text: str) -> Any:
    """A value from the command line: JSON where it is that, else the text."""
    try:
        return json.loads(text, parse_constant=_no_constant)
    except ValueError:
        return text


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def pairs(given: Sequence[str], flag: str) -> dict[str, Any]:
    """`key=value` options as an object."""
    found: dict[str, Any] = {}
    for each in given:
        key, equals, value = each.partition("=")
        if not equals or not key.strip():
            raise click.UsageError(f"{flag} must look like name=value")
        if key in found:
            raise click.UsageError(f"{flag} {key}=… is given twice")
        found[key] = json_or_text(value)
    return found


_UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1}
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?[dhms])+")


def seconds(text: str) -> float:
    """A length of time: `90`, `30s`, `5m`, `1h30m`, `2d`. Raises ValueError."""
    compact = text.replace(" ", "").lower()
    if re.fullmatch(r"\d+(\.\d+)?", compact):
        return float(compact)
    if not _DURATION.fullmatch(compact):
        raise ValueError(f"{text!r} is no length of time: write 30s, 5m, 1h30m or 2d")
    return sum(float(n) * _UNITS[unit] for n, unit in re.findall(r"(\d+(?:\.\d+)?)([dhms])", compact))


def limit_type() -> click.IntRange:
    """A concurrency limit: 0 lets nothing start."""
    return click.IntRange(min=0)
