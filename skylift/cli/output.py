"""What commands print: tables for people, JSON for programs. Standard output has nothing else on it."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console

LEAST = 8
"""How narrow other columns may become so that names and ids stay in one piece; what is folded is never cut."""
PIPED = 400
"""The width where nobody looks: nothing is folded for `grep`."""

STYLES = {
    "READY": "green",
    "COMPLETED": "green",
    "NOT_READY": "red",
    "FAILED": "red",
    "CRASHED": "red",
    "PAUSED": "yellow",
    "CANCELLED": "yellow",
    "CANCELLING": "yellow",
    "RUNNING": "cyan",
    "PENDING": "cyan",
}


def console() -> Console:
    """Standard output; narrow terminals fold words, pipes get long lines."""
    from rich.console import Console

    width = None if sys.stdout.isatty() or os.environ.get("COLUMNS") else PIPED
    return Console(file=sys.stdout, width=width, markup=False, highlight=False, emoji=False, soft_wrap=False)


COLOUR = re.compile(r"\x1b\[[\d;]*m")


def clean(value: Any) -> str:
    """Text from others, without its colours, and without the characters that would move the cursor, turn the direction
    of writing, or speak to the terminal."""
    text = COLOUR.sub("", str(value))
    return "".join(c if c.isprintable() or c in "\n\t" else "\N{REPLACEMENT CHARACTER}" for c in text)


def say(text: Any, *, err: bool = False) -> None:
    """A line that may hold text from others."""
    click.echo(clean(text), err=err)


def as_json(value: Any, indent: int | None = None) -> str:
    """JSON that does nothing to a terminal either: what `clean` would replace is escaped."""
    text = json.dumps(value, indent=indent, ensure_ascii=False, default=str)
    return "".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text)


def print_json(value: Any) -> None:
    """For programs."""
    click.echo(as_json(value, indent=2))


def print_table(
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
    *,
    title: str | None = None,
    caption: str | None = None,
    empty: str = "There is nothing to show.",
) -> None:
    """A table. The first column, and those that end in ID, stay in one piece where there is room."""
    from rich.table import Table
    from rich.text import Text

    lines = [[("" if cell is None else clean(cell)) for cell in row] for row in rows]
    if not lines:
        click.echo(empty, err=True)
        return
    out = console()
    whole = _in_one_piece(columns, lines, out.width)
    table = Table(title=title and clean(title), caption=caption and clean(caption), title_justify="center")
    for place, name in enumerate(columns):
        table.add_column(name, overflow="fold", no_wrap=place in whole)
    for line in lines:
        table.add_row(*(Text(cell, style=STYLES.get(cell.upper(), "")) for cell in line))
    out.print(table)


def _in_one_piece(columns: Sequence[str], lines: Sequence[Sequence[str]], width: int) -> set[int]:
    """The columns that need not be folded: the first and the ids where there is room, else the first, else none."""
    longest = [max(len(cell) for cell in cells) for cells in zip(columns, *lines, strict=True)]
    ids = {place for place, name in enumerate(columns) if name.endswith("ID")}
    for whole in ({0} | ids, {0}):
        kept = [size if place in whole else min(size, LEAST) for place, size in enumerate(longest)]
        if sum(kept) + 3 * len(columns) + 1 <= width:
            return whole
    return set()


def print_object(value: Mapping[str, Any], *, title: str | None = None) -> None:
    """All fields of one object."""
    print_table(["Field", "Value"], [[name, shown(each)] for name, each in value.items()], title=title)


def shown(value: Any) -> str:
    """A value in a cell."""
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case dict() | list():
            return json.dumps(value, indent=2, ensure_ascii=False) if value else ""
    return str(value)


def instant(value: str | None) -> datetime | None:
    """A time from the wire."""
    return datetime.fromisoformat(value).astimezone(UTC) if value else None


def when(value: str | None) -> str:
    """A time in UTC, to the second."""
    at = instant(value)
    return at.strftime("%Y-%m-%d %H:%M:%S") if at else ""


def to_the_millisecond(value: str | None) -> str:
    """A time in UTC, to the millisecond."""
    at = instant(value)
    return f"{at:%Y-%m-%d %H:%M:%S}.{at.microsecond // 1000:03d}" if at else ""


def ago(value: str | None, now: datetime | None = None) -> str:
    """How long ago, or in how long."""
    at = instant(value)
    if not at:
        return ""
    seconds = ((now or datetime.now(UTC)) - at).total_seconds()
    return f"{lasting(seconds)} ago" if seconds >= 0 else f"in {lasting(-seconds)}"


def lasting(seconds: float) -> str:
    """A length of time: 0.012 s, 3.4 s, 2 min 5 s, 3 h 20 min, 2 d 4 h."""
    if seconds < 10:
        return f"{seconds:.3f} s" if seconds < 1 else f"{seconds:.1f} s"
    whole = timedelta(seconds=round(seconds))
    hours, rest = divmod(whole.seconds, 3600)
    minutes, left = divmod(rest, 60)
    units = [(whole.days, "d"), (hours, "h"), (minutes, "min"), (left, "s")]
    first = next((index for index, (number, _) in enumerate(units) if number), 3)
    return " ".join(f"{number} {unit}" for number, unit in units[first : first + 2] if number)
