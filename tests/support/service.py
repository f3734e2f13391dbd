"""A real `skylift serve` as a process, and the environments of its clients."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

OURS = ("SKYLIFT_", "PREFECT_")
PATIENCE = 60.0
"""Seconds that it may take to end."""


def clean_environment() -> dict[str, str]:
    """This process's, with nothing of this machine's own settings of Skylift or Prefect."""
    return {name: value for name, value in os.environ.items() if not name.startswith(OURS)}


def client_environment(url: str, home: Path) -> dict[str, str]:
    """For Prefect's clients of the server there; what they print is plain, and wide enough for their tables."""
    return clean_environment() | {
        "PREFECT_API_URL": url,
        "PREFECT_HOME": str(home / "prefect"),
        "PREFECT_CLI_COLORS": "false",
        "DO_NOT_TRACK": "1",
        "COLUMNS": "250",
        "NO_COLOR": "1",
        "TZ": "UTC",
    }


@dataclass(frozen=True, slots=True)
class Serving:
    url: str
    """Of the API."""
    line: str
    """What it said when it was ready."""


@contextmanager
def serving(home: Path, **variables: str) -> Iterator[Serving]:
    """Over an SKYLIFT_HOME of its own, on a free port, with these variables besides. It must end well, in silence."""
    process = subprocess.Popen(
        [sys.executable, "-m", "skylift", "serve", "--port", "0"],
        env=clean_environment() | {"SKYLIFT_HOME": str(home)} | variables,
        cwd=home,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    try:
        line = process.stdout.readline()
        assert line.startswith("Skylift is ready at "), line
        yield Serving(line.split()[4], line)
    finally:
        process.terminate()
        rest = process.communicate(timeout=PATIENCE)[0]
    assert process.returncode == 0
    assert rest == ""
